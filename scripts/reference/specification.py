"""docs/reference/specification.md: each field of a training job."""

from collections.abc import Iterator

from app.jobspec import MAX_PARAMETERS, MAX_STEPS, JobSpec
from app.jobspec.presets import PRESETS
from scripts.reference.markdown import code, link, page_of, table
from scripts.reference.schema_words import Schema, taken_fields

ABOUT = """\
A job is a JSON document for `POST /jobs`, or a file in JSON or YAML for `traind submit`. What is
left out takes its default: `{}` is the reference job. An unknown field, a value beyond its limits,
and fields that do not fit together are refused by name, and nothing is stored.

The headings are paths: `lr` under `training.optimizer` is
`{"training": {"optimizer": {"lr": 0.05}}}`, and on the command line
`--set training.optimizer.lr=0.05`. `GET /presets/schema` answers the same as a JSON schema."""

LIMITS = f"""\
A network may have at most {MAX_PARAMETERS:,} trainable numbers, and a job at most {MAX_STEPS:,}
steps, which are its mini-batches in an epoch times its epochs."""

THE_JOB = "The job"


def sections() -> dict[str, tuple[str, Schema]]:
    """Heading and schema of each section, by the name of its type, outer ones first."""
    schema = JobSpec.model_json_schema()
    found = {JobSpec.__name__: (THE_JOB, schema)}
    for path, name in _below(schema, schema["$defs"], ""):
        found.setdefault(name, (path, schema["$defs"][name]))
    return found


def _below(schema: Schema, definitions: Schema, before: str) -> Iterator[tuple[str, str]]:
    for field, about in schema["properties"].items():
        for kind in [about, *about.get("anyOf", [])]:
            if "$ref" in kind:
                name = kind["$ref"].rpartition("/")[2]
                yield before + field, name
                yield from _below(definitions[name], definitions, f"{before}{field}.")


def page() -> str:
    """The sections, each under the path that `--set` gives it, and the recipes."""
    found = sections()
    definitions = {name: schema for name, (_, schema) in found.items()}

    def refer(name: str) -> str:
        return link("object", found[name][0])

    contents = [(link(path, path), schema["description"]) for path, schema in found.values()]
    contents.append((link("Presets", "Presets"), "Recipes to start from."))
    blocks = [ABOUT, LIMITS, table(["section", "what it says"], contents)]
    for path, schema in found.values():
        level = "##" if "." not in path else "###"
        blocks += [f"{level} {path}", schema["description"]]
        blocks.append(taken_fields(schema, definitions, refer))
    recipes = [(code(name), preset.about) for name, preset in PRESETS.items()]
    blocks += [
        "## Presets",
        'Recipes for `preset`. What a job says itself counts more: `{"preset": "digits", '
        '"training": {"epochs": 5}}`. `GET /presets` shows the whole specification of each.',
        table(["preset", "what to expect"], recipes),
    ]
    return page_of("The specification of a job", *blocks)
