"""`traind migrate-database`: from SQLite to PostgreSQL, or back."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.terminal import AsJson, console, errors, print_json, printable


def migrate_database(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FROM",
            help="The database: path of a SQLite file, or an address as in TRAIND_DATABASE_URL.",
        ),
    ],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="Where to, in the same way; it must be empty.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Copy a whole database to an empty one, such as from SQLite to PostgreSQL, and check it.

    Nothing may run on either. FROM stays as it is; TO has everything in the end, or nothing. Files
    in TRAIND_HOME are not touched: they serve the new database, too.
    """
    from app.store import database, transfer

    to = _where(target)
    with _bar() as bars:
        bar = bars.add_task("", total=None)
        progress = transfer.Progress(
            started=lambda total: bars.update(bar, total=total),
            advanced=lambda rows: bars.advance(bar, rows),
        )
        done = transfer.transfer(_where(source), to, progress)
    if as_json:
        print_json({"rows": done.rows, "replaced": done.replaced, "damaged": done.damaged})
        return
    filled = [f"{count} {name}" for name, count in done.rows.items() if count]
    console.print(f"Copied, and the same when read again: {', '.join(filled) or 'no rows'}.")
    for what, count in done.replaced.items():
        console.print(f"{count} {what} cannot be stored there and were replaced.")
    if done.damaged:
        console.print(
            f"{done.damaged} checkpoints or files of models were damaged already, and still are."
        )
    shown = database.parse(to).render_as_string(hide_password=True)
    console.print(
        f"Next: TRAIND_DATABASE_URL={printable(shown)} for every process; TRAIND_HOME stays."
    )


def _where(given: str) -> str | Path:
    return given if "://" in given else Path(given).expanduser().absolute()


def _bar() -> Progress:
    return Progress(
        TextColumn("copying and checking"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(compact=True),
        console=errors,
        disable=not errors.is_terminal,
    )
