"""`traind keys`: who may use the API. It writes to the database itself, beside a running API."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.terminal import AsJson, console, errors, print_json, print_rows, printable
from app.codes import Scope

if TYPE_CHECKING:
    from app.store.database import Connection
    from app.store.keys import Key

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
MOST = 2**53
"""Largest limit of a number of jobs or bytes: JSON and databases hold it exactly."""

ID_OR_TOKEN = re.compile(r"(?:key|traind)_(?P<ulid>[0-9A-Z]{26})(?:_[\w-]*(?:\.\.\.)?)?")
"""An id, or a token that may be cut short as in logs."""
LONGEST_ID = len("key_") + 26
"""Characters; what is longer may hold a secret."""


def _id(text: str) -> str:
    """The id that is meant, also by a token: who finds a leaked one need not search its id.

    Raises:
        typer.BadParameter: it is neither. The message does not repeat it, for it may be a secret.
    """
    if found := ID_OR_TOKEN.fullmatch(text):
        return f"key_{found['ulid']}"
    if text.startswith("key_") and len(text) <= LONGEST_ID:
        return text
    raise typer.BadParameter(
        "it is neither an id, key_..., nor a key, traind_...; `traind keys list` shows the ids"
    )


def _name(text: str) -> str:
    """The name of a new key.

    Raises:
        typer.BadParameter: people would not see it, or not as one line of a list.
    """
    if not text.strip():
        raise typer.BadParameter("a key needs a name, such as that of who gets it")
    if text != printable(text):
        raise typer.BadParameter(
            f"{printable(text)} has tabs, line breaks or other characters that are not printed"
        )
    return text


@contextmanager
def _transaction(*, create: bool = False) -> Iterator["Connection"]:
    """A write transaction. A key may be made before the service has ever run, hence `create`."""
    from app.settings import Settings
    from app.store import database, doorbell, migrations
    from app.store.errors import DatabaseMissing

    where = Settings.from_environment().database
    try:
        opened = database.connect(where, create=False)
    except DatabaseMissing:
        if not create:
            raise
        opened = database.connect(where)
        errors.print(f"There was no database yet; {printable(str(opened.path))} is new.")
    try:
        migrations.migrate(opened)
        opened.on_commit = partial(doorbell.ring, opened)  # API processes hear it at once
        with opened.write() as connection:
            yield connection
    finally:
        opened.close()


@app.command(epilog="Example: traind keys create ci --scope write --scope read --max-jobs 20")
def create(
    name: Annotated[
        str, typer.Argument(callback=_name, help="Whose it is, for people: one line of text.")
    ],
    scope: Annotated[
        list[Scope],
        typer.Option(help="What it may do, once for each: admin includes the others."),
    ],
    *,
    max_jobs: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Most of its jobs that have not ended.")
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, help="Most bytes of its checkpoints, models and datasets."),
    ] = None,
    max_rate: Annotated[
        float | None,
        typer.Option(min=0.01, max=1e6, help="Most requests a second, at all API processes."),
    ] = None,
    webhook: Annotated[
        list[str] | None,
        typer.Option(help="A destination that hears of all its jobs, once for each."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, also before the first start. It is shown once; only its digest is kept."""
    from app import destinations
    from app.settings import Settings
    from app.store import keys

    webhooks, limits = webhook or [], keys.Limits(max_jobs, max_bytes, max_rate)
    destinations.check(Settings.from_environment().webhooks, webhooks)
    with _transaction(create=True) as connection:
        key, token = keys.create(connection, name, frozenset(scope), limits, webhooks)
    if as_json:
        print_json({**_document(key), "token": token})
        return
    console.print(f"{key.id}: send it as `Authorization: Bearer ...`, or set TRAIND_KEY.")
    console.print("It cannot be shown again, and from now on every request needs a key:")
    print(token)  # noqa: T201 (alone on its line, for a script to take)


@app.command("list", epilog="Example: traind keys list")
def list_keys(*, as_json: AsJson = False) -> None:
    """List the keys, without their secrets."""
    from app.store import keys

    with _transaction() as connection:
        found = keys.listed(connection)
    if as_json:
        for key in found:
            print_json(_document(key))
        return
    columns = ("id", "name", "scopes", "limits", "webhooks", "last used", "state")
    print_rows(columns, map(_row, found))


@app.command(epilog="Example: traind keys revoke key_01M852M242NVFAX5QZYGE85X1S")
def revoke(
    key: Annotated[
        str, typer.Argument(callback=_id, help="Its id, key_..., or the key itself, traind_...")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """End a key; every API process refuses it within a second."""
    from app.store import keys

    with _transaction() as connection:
        found = keys.revoke(connection, key)
    if as_json:
        print_json(_document(found))
        return
    console.print(f"{found.id} ({printable(found.name)}) is revoked.")


def _document(key: "Key") -> dict[str, Any]:
    """A key as scripts get it; times are RFC 3339 in UTC."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "limits": vars(key.limits),
        "webhooks": list(key.webhooks),
        "created_at": _rfc3339(key.created_at),
        "last_used_at": _rfc3339(key.last_used_at),
        "revoked_at": _rfc3339(key.revoked_at),
    }


def _rfc3339(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _row(key: "Key") -> tuple[str, ...]:
    state = "revoked" if key.revoked_at else "in use"
    scopes, used = ", ".join(sorted(key.scopes)), _time(key.last_used_at)
    return key.id, key.name, scopes, _limits(key), ", ".join(key.webhooks), used, state


def _limits(key: "Key") -> str:
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
