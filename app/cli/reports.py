"""`traind explain`: a report of a run."""

from typing import Annotated

import typer

from app.cli.connection import Job, Url, connected


def explain(
    job: Job,
    html: Annotated[bool, typer.Option("--html", help="A page instead of Markdown.")] = False,
    url: Url = None,
) -> None:
    """Print a report of a run with its curves as pictures, in Markdown."""
    with connected(url) as client:
        typer.echo(client.explain(job, "html" if html else "markdown"))
