"""docs/reference/http.md: each route of the API, from its OpenAPI document."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from app.api.problem_kinds import DOMAIN, EVERYWHERE, HTTP
from app.main import create_app
from app.settings import Settings
from scripts.reference import specification
from scripts.reference.markdown import code, link, page_of, table
from scripts.reference.schema_words import (
    default_words,
    description,
    is_nullable,
    taken_fields,
    type_words,
    without_null,
)

ABOUT = """\
A running service shows the same at `/docs`, where requests can be tried, and as OpenAPI at
`/openapi.json`. Bodies and answers are JSON where nothing else is said. A field that a body does
not know is refused.

Each route names the scope that the key of a request must have, once the service has keys; `admin`
includes the others. [`traind keys create`](commands.md#traind-keys-create) makes a key, and
`Authorization: Bearer traind_...` sends it."""
PROBLEMS = """\
An error is answered as `application/problem+json` (RFC 9457), of the type
[Problem](types.md#problem): `detail` says what is wrong and what to do, and `code` never changes.
Below `/v2` it is `{"error": "..."}` instead, as the Open Inference Protocol has it, and 400 in the
place of 422.

A request that does not come on for 8 s is answered by 408 (`request_timeout`) where no answer has
begun, and what is no HTTP/1.1 by 400 (`bad_request`), below `/v2`, too; both end the connection."""
BY_LIBRARY = "Successful Response"
"""FastAPI's text where a route says nothing of its answer."""


KINDS = [*HTTP.values(), *DOMAIN.values()]
CODES = {kind.title: kind.code for kind in KINDS}


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


def schemas() -> dict[str, Any]:
    """The types that the routes name."""
    found: dict[str, Any] = document()["components"]["schemas"]
    return found


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
        operations.sort(key=lambda operation: operation.name.partition(" ")[2])
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
    yield (
        f"**{about['summary']}{'' if about['summary'].endswith('?') else '.'}** "
        + (about["description"])
    )
    yield f"Scope: {operation.scope}"
    if parameters := about.get("parameters"):
        yield table(["parameter", "in", "type", "default", "meaning"], map(_parameter, parameters))
    yield from _body(about.get("requestBody"))
    yield table(["status", "body", "meaning"], _answers(about["responses"]))


def _parameter(about: dict[str, Any]) -> tuple[str, ...]:
    schema = about["schema"]
    name = about["name"].title() if about["in"] == "header" else about["name"]
    required = about.get("required", False)
    has_none = is_nullable(schema) or schema.get("default") in ([], "")
    return (
        code(name),
        about["in"],
        type_words(without_null(schema), refer),
        "none" if has_none else default_words(name, schema, required=required) or "none",
        about.get("description") or description(schema, schemas()),
    )


def _body(about: dict[str, Any] | None) -> Iterator[str]:
    """The kinds of body that a request may have: those of the same meaning together."""
    if about is None:
        return
    kinds: dict[tuple[str, str], list[str]] = {}
    for media, content in about["content"].items():
        words = type_words(content["schema"], refer), description(content["schema"], schemas())
        kinds.setdefault(words, []).append(code(media))
    yield "Body:" if about.get("required") else "Body, which may be left out:"
    rows = [(", ".join(media), *words) for words, media in kinds.items()]
    yield table(["media type", "type", "meaning"], rows)
    for media, content in about["content"].items():
        if "properties" in content["schema"]:
            yield f"The fields of the body in {code(media)}:"
            yield taken_fields(content["schema"], schemas(), refer)


def _answers(responses: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Status, body and meaning; the problems that every route may answer are left out."""
    for status, about in sorted(responses.items()):
        everywhere = EVERYWHERE.get(int(status), EVERYWHERE[422] if status == "400" else {})
        if about["description"] == everywhere.get("description"):
            continue
        if status >= "400":
            yield status, link("problem", "Problems"), _with_codes(about["description"])
        else:
            yield status, *_success(about)


def _success(about: dict[str, Any]) -> tuple[str, str]:
    """The types of the bodies, and what they mean; JSON is not named."""
    words, meanings = [], [about["description"]]
    if about["description"] == BY_LIBRARY:
        meanings = []
    for media, content in about.get("content", {}).items():
        schema = content.get("schema")
        if media != "application/json":
            words.append(code(media))
        elif schema:
            words.append(type_words(schema, refer))
            meanings = meanings or [description(schema, schemas())]
    for name, header in about.get("headers", {}).items():
        meanings.append(f"Header {code(name)}: {header['description']}")
    return " or ".join(words) or "none", ". ".join(filter(None, meanings))


def _with_codes(titles: str) -> str:
    """The problems of an answer, each with its code."""
    return "; ".join(f"{each} ({code(CODES[each])})" for each in titles.split("; "))


def _problems() -> Iterator[str]:
    ordered = sorted(KINDS, key=lambda kind: (kind.status, kind.code))
    everywhere = [
        (str(status), _with_codes(about["description"])) for status, about in EVERYWHERE.items()
    ]
    yield "## Problems"
    yield PROBLEMS
    yield "Every route may answer with these, and names only what else it may answer with:"
    yield table(["status", "meaning"], sorted(everywhere))
    yield "All codes:"
    yield table(
        ["code", "status", "meaning"],
        [(code(kind.code), str(kind.status), kind.title) for kind in ordered],
    )
