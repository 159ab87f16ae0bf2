"""`traind submit`, `presets`, `retry` and `lr-range`: what makes a job."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.connection import Job, Url, connected
from app.cli.follow import follow_to_the_end
from app.cli.terminal import AsJson, console, errors, print_json, print_rows, printable

NOBODY_COMES = {"no_worker", "unsatisfiable", "draining"}
"""Reasons to wait that last until somebody does something."""
Watch = Annotated[bool, typer.Option(help="Follow it to its end, or only say its id.")]


def submit(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The specification in JSON, or in YAML if it ends in .yaml or .yml; without it, "
            "the reference job."
        ),
    ] = None,
    *,
    preset: Annotated[
        str | None, typer.Option(help="A recipe that fills in what is left out.")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Sets a field: dots between the names, the value in JSON or as text. May come "
            "again.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    watch: Watch = True,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Submit a job and follow it to its end; Ctrl-C leaves it running.

    What --set says counts more than the file, and the file more than the preset.
    """
    spec = _specification(file, preset, name, fields or [])
    with connected(url) as client:
        job = client.submit(spec)
        _show_made(job, as_json=as_json)
        if watch:
            follow_to_the_end(client, job, as_json=as_json)


def presets(*, as_json: AsJson = False, url: Url = None) -> None:
    """List the recipes that `submit --preset` takes."""
    with connected(url) as client:
        found = client.presets()
    if as_json:
        for preset in found:
            print_json(preset)
    else:
        print_rows(("name", "what to expect"), ((each["name"], each["about"]) for each in found))


def retry(
    job: Job,
    *,
    checkpoint: Annotated[bool, typer.Option(help="Go on from its newest checkpoint.")] = False,
    apply_suggestion: Annotated[
        bool, typer.Option("--apply-suggestion", help="Change what its diagnosis suggests.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Submit an ended job again, as a new job."""
    begin = "checkpoint" if checkpoint else "start"
    apply = "suggestion" if apply_suggestion else None
    with connected(url) as client:
        _show_made(client.retry(job, begin, apply=apply), as_json=as_json)


def lr_range(
    job: Job,
    *,
    lowest: Annotated[float, typer.Option(help="Learning rate of the first mini-batch.")] = 1e-6,
    highest: Annotated[float, typer.Option(help="Learning rate of the last one.")] = 10.0,
    batches: Annotated[int, typer.Option(help="Mini-batches of the test.")] = 200,
    watch: Watch = True,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Test learning rates for a job, and recommend one."""
    with connected(url) as client:
        made = client.test_rates(job, lowest=lowest, highest=highest, batches=batches)
        _show_made(made, as_json=as_json)
        if watch:
            follow_to_the_end(client, made, as_json=as_json)


def _specification(
    file: Path | None, preset: str | None, name: str | None, fields: list[str]
) -> dict[str, Any]:
    from app.cli import spec_changes, spec_file

    spec = spec_file.read(file) if file else {}
    if not isinstance(spec, dict):
        raise spec_file.BadSpecFile(f"{file} holds no object of fields; a job begins with {{.")
    said = {"preset": preset, "name": name}
    spec |= {field: value for field, value in said.items() if value is not None}
    for field in fields:
        spec = spec_changes.with_field(spec, field)
    return spec


def _show_made(job: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    console.print(job["id"])
    if job["waiting"] and job["waiting"]["reason"] in NOBODY_COMES:
        errors.print(printable(job["waiting"]["message"]))
