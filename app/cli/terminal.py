"""What the commands print: tables and messages for people, whole lines for programs.

Names, labels and errors come from anywhere. They are printed as they are: no markup is read from
them, and characters that steer a terminal are shown as escapes.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, changes of the writing direction, and lone surrogates."""

AsJson = Annotated[
    bool, typer.Option("--json", help="For scripts: one JSON document on each line.")
]


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)


console = _console()
errors = _console(stderr=True)


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def print_prose(text: Text, console: Console, indent: int = 0) -> None:
    """Sentences: in a terminal broken between words, elsewhere one whole line."""
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, indent)), soft_wrap=False)
    else:
        console.print(Text(" " * indent).append_text(text), soft_wrap=True)


def print_json(document: Any) -> None:
    """The document on a line of its own, in ASCII: any locale and any terminal can take it."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def print_line(values: Iterable[str]) -> None:
    """The values on one line with tabs between, whole."""
    sys.stdout.write("\t".join(map(printable, values)) + "\n")


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table in a terminal; elsewhere a line for each row, its values whole, with tabs between.

    The first column holds ids, and is never cut.
    """
    if not console.is_terminal:
        for row in rows:
            print_line(row)
        return
    lines = [[printable(value) for value in row] for row in rows]
    longest = max((len(line[0]) for line in lines), default=0)
    headers = [Text(printable(name)) for name in columns]
    first = Column(headers[0], min_width=longest, overflow="fold")
    table = Table(first, *(Column(header, overflow="fold") for header in headers[1:]))
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table, soft_wrap=False)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """What is known of one thing: its facts below each other, or lines with a tab between."""
    if not console.is_terminal:
        for fact in facts:
            print_line(fact)
        return
    table = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for name, value in facts:
        table.add_row(Text(printable(name)), Text(printable(value)))
    console.print(table, soft_wrap=False)


def print_error(message: str) -> None:
    """Says on standard error what went wrong; an API key in it is cut short."""
    from app.logs import KEY

    for line in message.splitlines():
        without_keys = KEY.sub(r"traind_\g<id>_...", line)
        errors.print(Text(printable(without_keys), "red"))
