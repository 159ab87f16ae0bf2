"""Markdown as GitHub shows it."""

import re
from collections.abc import Iterable, Sequence

DO_NOT_EDIT = "<!-- Written by `make reference`. Change what it is made of, not this page. -->"


def code(text: str) -> str:
    """The text in the type of code."""
    return f"`{text}`"


def link(text: str, heading: str, page: str = "") -> str:
    """A link to a heading, of this page if no other is named."""
    return f"[{text}]({page}#{anchor(heading)})"


def anchor(heading: str) -> str:
    """What GitHub calls the heading in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells may hold any text."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def page_of(title: str, *blocks: str) -> str:
    """A page of blocks with blank lines between; empty ones are left out."""
    filled = [block for block in blocks if block]
    return "\n\n".join([f"# {title}", DO_NOT_EDIT, *filled]) + "\n"
