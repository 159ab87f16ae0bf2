"""`traind keys`: who may use the API. It writes to the database itself, beside a running API."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from app.cli.terminal import console, print_rows, printable
from app.settings import Settings
from app.store import database, doorbell, keys, migrations
from app.store.database import Connection
from app.store.errors import DatabaseMissing
from app.store.keys import Key, Limits, Scope

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@contextmanager
def _transaction(*, create: bool = False) -> Iterator[Connection]:
    """A write transaction. A key may be made before the service has ever run, hence `create`."""
    where = Settings.from_environment().database
    try:
        opened = database.connect(where, create=False)
    except DatabaseMissing:
        if not create:
            raise
        opened = database.connect(where)
        console.print(f"There was no database yet; {printable(str(opened.path))} is new.")
    try:
        migrations.migrate(opened)
        opened.on_commit = partial(doorbell.ring, opened)  # API processes hear it at once
        with opened.write() as connection:
            yield connection
    finally:
        opened.close()


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, for people.")],
    scope: Annotated[
        list[Scope],
        typer.Option(help="What it may do, once for each: admin includes the others."),
    ],
    max_jobs: Annotated[int | None, typer.Option(min=1, help="Jobs that have not ended.")] = None,
    max_bytes: Annotated[
        int | None, typer.Option(min=1, help="Bytes of its models and checkpoints.")
    ] = None,
    max_rate: Annotated[
        float | None, typer.Option(min=0.01, help="Requests a second, for each API process.")
    ] = None,
) -> None:
    """Make a key, also before the first start. It is shown once; only its digest is kept."""
    with _transaction(create=True) as connection:
        key, token = keys.create(
            connection, name, frozenset(scope), Limits(max_jobs, max_bytes, max_rate)
        )
    console.print(f"{key.id}: send it as `Authorization: Bearer ...`, or set TRAIND_KEY.")
    console.print("It cannot be shown again, and from now on every request needs a key:")
    print(token)  # noqa: T201 (alone on its line, for a script to take)


@app.command("list")
def list_keys() -> None:
    """List the keys, without their secrets."""
    with _transaction() as connection:
        found = keys.listed(connection)
    print_rows(("id", "name", "scopes", "limits", "last used", "state"), map(_row, found))


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Its id, key_...")]) -> None:
    """End a key; every API process refuses it within a second."""
    with _transaction() as connection:
        found = keys.revoke(connection, key)
    console.print(f"{found.id} ({printable(found.name)}) is revoked.")


def _row(key: Key) -> tuple[str, ...]:
    state = "revoked" if key.revoked_at else "in use"
    scopes, used = ", ".join(sorted(key.scopes)), _time(key.last_used_at)
    return key.id, key.name, scopes, _limits(key), used, state


def _limits(key: Key) -> str:
    limits = {
        "jobs": key.limits.jobs,
        "bytes": key.limits.stored_bytes,
        "requests/s": key.limits.requests_per_second,
    }
    return ", ".join(f"{limit:g} {what}" for what, limit in limits.items() if limit is not None)


def _time(microseconds: int | None) -> str:
    if microseconds is None:
        return "never"
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")
