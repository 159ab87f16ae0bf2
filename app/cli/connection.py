"""Options that several commands have: where the service is, and how much of a list to show."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.client import Client

Url = Annotated[
    str | None,
    typer.Option(
        envvar="TRAIND_URL",
        help="Where the API answers; by default at TRAIND_HOST and TRAIND_PORT on this machine.",
    ),
]
Job = Annotated[str, typer.Argument(metavar="JOB", help="Its id, job_...")]
Limit = Annotated[int, typer.Option(min=1, help="Most of them to list.")]
Every = Annotated[bool, typer.Option("--all", help="List all of them.")]


@contextmanager
def connected(url: str | None) -> Iterator["Client"]:
    """A client of the service that the option, or the settings, name."""
    from app.client import Client
    from app.settings import Settings

    with Client(url or Settings.from_environment().url) as client:
        yield client
