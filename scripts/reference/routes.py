"""docs/reference/http.md: each route of the API, from its OpenAPI document."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from app.api.problem_kinds import DOMAIN, EVERYWHERE, HTTP
from app.main import create_app
from app.settings import Settings
from scripts.reference import specification
from scripts.reference.markdown import code, link, page as page_of, table
from scripts.reference.schema_words import Schema, default_words, fields_table, type_words

ABOUT = """\
A running service shows the same at `/docs`, where requests can be tried, and as OpenAPI at `/openapi.json`.
Bodies are JSON if nothing else is said; a field that a body does not know is refused.

A route names the scope that the key of a request must have (`Authorization: Bearer traind_...`), once the
service has keys; `admin` includes the others. The command line makes keys: [`traind keys create`](\
commands.md#traind-keys-create)."""
PROBLEMS = """\
An error is a document `application/problem+json` (RFC 9457), of the type [Problem](types.md#problem): `detail`
says what is wrong and what to do, and `code` never changes. Below `/v2`, where the Open Inference Protocol rules,
it is `{"error": "..."}` instead, and what would be 422 is 400."""
BY_LIBRARY = "Successful Response"
"""FastAPI's text where a route says nothing of its answer."""


class Operation(NamedTuple):
    """A route with one of its methods."""

    name: str
    about: dict[str, Any]

    @property
    def scope(self) -> str:
        """The scope that its key needs."""
        return code(self.about["security"][0]["key"][0]) if self.about["security"] else "none"


@cache
def document() -> dict[str, Any]:
    """The API's description of itself, whatever the settings of this machine are."""
    return create_app(Settings.model_construct()).openapi()


def refer(name: str) -> str:
    """A type's name, with a link to its fields."""
    if name.startswith("Page_"):
        return f"{link('Page', 'Page', 'types.md')} of {refer(name[5:-1])}"
    if name in (sections := specification.sections()):
        return link(name, sections[name][0], "specification.md")
    return link(name, name, "types.md")


def page() -> str:
    """The routes by tag, an overview first, then the problems."""
    by_tag: dict[str, list[Operation]] = {}
    for path, methods in document()["paths"].items():
        for method, about in methods.items():
            operation = Operation(f"{method.upper()} {path}", about)
            by_tag.setdefault(about["tags"][0], []).append(operation)
    overview, blocks = [], []
    for tag, operations in by_tag.items():
        heading = tag[0].upper() + tag[1:]
        overview.append(f"**{link(heading, heading)}**")
        rows = [(link(code(o.name), o.name), o.about["summary"], o.scope) for o in operations]
        overview.append(table(["route", "what it does", "scope"], rows))
        blocks.append(f"## {heading}")
        for operation in operations:
            blocks += _described(operation)
    return page_of("HTTP", ABOUT, *overview, *blocks, *_problems())


def _described(operation: Operation) -> Iterator[str]:
    about = operation.about
    yield f"### {operation.name}"
    yield f"**{about['summary']}.** {about['description']}".replace("?.**", "?**")
    yield f"Scope: {operation.scope}"
    if parameters := about.get("parameters"):
        yield table(["parameter", "in", "type", "default", "meaning"], map(_parameter, parameters))
    yield from _body(about.get("requestBody"))
    yield table(["status", "body", "meaning"], _answers(about["responses"]))


def _parameter(about: dict[str, Any]) -> tuple[str, ...]:
    schema = about["schema"]
    name = about["name"].title() if about["in"] == "header" else about["name"]
    required = about.get("required", False)
    return (
        code(name),
        about["in"],
        type_words(schema, refer),
        default_words(name, schema, required=required),
        about.get("description") or schema.get("description", ""),
    )


def _body(about: dict[str, Any] | None) -> Iterator[str]:
    if about is None:
        return
    schemas = {media: each["schema"] for media, each in about["content"].items()}
    rows = [
        (code(media), type_words(schema, refer), schema.get("description", ""))
        for media, schema in schemas.items()
    ]
    yield "Body:" if about.get("required") else "Body, which may be left out:"
    yield table(["media type", "type", "meaning"], rows)
    for media, schema in schemas.items():
        if "properties" in schema:
            yield f"The fields of the body in {code(media)}:"
            yield fields_table(schema, document()["components"]["schemas"], refer)


def _answers(responses: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Status, body and meaning; the problems that every route may answer are left out."""
    for status, about in sorted(responses.items()):
        everywhere = EVERYWHERE.get(int(status), EVERYWHERE[422] if status == "400" else {})
        if about["description"] == everywhere.get("description"):
            continue
        text = about["description"].removeprefix(BY_LIBRARY)
        for name, header in about.get("headers", {}).items():
            text += f". Header {code(name)}: {header['description']}"
        yield status, _media(about.get("content", {})) if status < "400" else "a problem", text


def _media(content: dict[str, Any]) -> str:
    """The types of an answer's bodies; JSON is not named."""
    words = []
    for media, about in content.items():
        schema = about.get("schema")
        if media != "application/json":
            words.append(code(media))
        elif schema:
            words.append(type_words(schema, refer))
    return " or ".join(words)


def _problems() -> Iterator[str]:
    kinds = {kind.code: kind for kind in [*HTTP.values(), *DOMAIN.values()]}.values()
    ordered = sorted(kinds, key=lambda kind: (kind.status, kind.code))
    everywhere = [(str(status), about["description"]) for status, about in EVERYWHERE.items()]
    yield "## Problems"
    yield PROBLEMS
    yield "Every route may answer with these, and names only what else it may answer with:"
    yield table(["status", "meaning"], sorted(everywhere))
    yield "The codes:"
    yield table(
        ["code", "status", "meaning"],
        [(code(kind.code), str(kind.status), kind.title) for kind in ordered],
    )
