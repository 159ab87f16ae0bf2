"""`traind explain`: a report of a run."""

from typing import Annotated

import typer

from app.cli.connection import Url, connected


def explain(
    job: str,
    html: Annotated[bool, typer.Option("--html", help="A page instead of Markdown.")] = False,
    url: Url = None,
) -> None:
    """Print a report of a run with its curves as pictures."""
    with connected(url) as client:
        typer.echo(client.explain(job, "html" if html else "markdown"))
