"""Pages for people: HTML and Markdown from templates, and when HTML is what a client wants."""

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is loaded and nothing runs, whatever a page holds."""

_MARKS = re.compile(r"[\\`*_{}\[\]()<>#!|~&:@$^=]|\.(?!\d)")


def render(template: str, **values: Any) -> Markup:
    """HTML or SVG from a template; every value is escaped that is no Markup itself."""
    return Markup(_html_templates().get_template(template).render(values))  # noqa: S704


def html(template: str, **values: Any) -> Response:
    """A page of HTML; every value is escaped."""
    page = render(template, **values)
    return Response(page, media_type="text/html", headers=SECURITY | {"Vary": "Accept"})


def markdown(template: str, **values: Any) -> Response:
    """A page of Markdown; every value is escaped, unless the template says `safe`."""
    page = _markdown_templates().get_template(template).render(values)
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(page, media_type="text/markdown", headers=headers)


def prefers_html(accept: str, other: str = "application/json") -> bool:
    """Whether an Accept header ranks HTML above the other type (RFC 9110, section 12.5.1)."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        media, *parameters = (each.strip() for each in part.split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        weights[media] = _weight(quality)

    def weight(media: str) -> float:
        kind = media.partition("/")[0]
        return next((weights[m] for m in (media, f"{kind}/*", "*/*") if m in weights), 0.0)

    return weight("text/html") > weight(other)


def escape_markdown(value: Any) -> Any:
    """The text on one line, with a backslash before all that Markdown might read as its own."""
    if isinstance(value, Markup):
        return value
    return _MARKS.sub(r"\\\g<0>", " ".join(str(value).split()))


def _weight(quality: str) -> float:
    try:
        weight = float(quality)
    except ValueError:
        return 0.0
    return weight if math.isfinite(weight) else 0.0


def _percent(share: float, places: int = 1) -> str:
    return f"{100 * share:.{places}f}%"


def _number(value: float | None) -> str:
    return "not finite" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@cache
def _html_templates() -> Environment:
    return _environment()


@cache
def _markdown_templates() -> Environment:
    return _environment(escape=False, finalize=escape_markdown)


def _environment(*, escape: bool = True, **options: Any) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html", "svg"], default=escape),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.filters |= {"percent": _percent, "number": _number, "compact": _compact}
    return environment
