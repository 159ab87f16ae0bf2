"""`traind show` and `diff`: one job in full, and how two of them differ."""

import json
from typing import Annotated, Any

import typer

from app.cli.connection import Job, Url, connected
from app.cli.spec_fields import changed_fields, differences
from app.cli.terminal import AsJson, print_facts, print_json, print_rows

SHOWN_APART = {"name", "labels"}
"""Fields of a specification that a page shows among the facts of the job itself."""


Other = Annotated[str, typer.Argument(metavar="OTHER", help="The id of another one.")]


def show(job: Job, *, as_json: AsJson = False, url: Url = None) -> None:
    """Show a job: its state, what it trains, its measures, and why it failed."""
    with connected(url) as client:
        found = client.job(job)
        if as_json:
            print_json(found)
            return
        defaults = client.validate({})["spec"]
    changed = [
        (path, value)
        for path, value in changed_fields(defaults, found["spec"])
        if path.partition(".")[0] not in SHOWN_APART
    ]
    print_facts([*_state(found), *changed, *_measures(found), *_end(found)])


def diff(job: Job, other: Other, *, as_json: AsJson = False, url: Url = None) -> None:
    """Compare two jobs: the fields in which they differ, and their measures side by side."""
    with connected(url) as client:
        a, b = client.job(job), client.job(other)
    fields = differences(a["spec"], b["spec"])
    names = [*a["metrics"], *(name for name in b["metrics"] if name not in a["metrics"])]
    if as_json:
        print_json(
            {
                "jobs": [a["id"], b["id"]],
                "spec": {
                    path: [_parsed(a_text), _parsed(b_text)] for path, a_text, b_text in fields
                },
                "metrics": {name: [each["metrics"].get(name) for each in (a, b)] for name in names},
            }
        )
        return
    states = ("status", a["status"], b["status"])
    measures = [(name, *(_number(each["metrics"].get(name)) for each in (a, b))) for name in names]
    print_rows(("", a["id"], b["id"]), [*fields, states, *measures])


def _state(job: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [("id", job["id"]), ("name", job["name"]), ("status", _status(job))]
    facts += [(f"label {key}", value) for key, value in job["labels"].items()]
    times = ("created_at", "started_at", "ended_at")
    facts += [(name.removesuffix("_at"), job[name]) for name in times if job[name]]
    if job["waiting"]:
        facts.append(("waiting", job["waiting"]["message"]))
    if job["worker"]:
        facts.append(("worker", job["worker"]))
    for name, what in (("retry_of", "retry of"), ("range_of", "range test of")):
        if job[name]:
            facts.append((what, job[name]))
    if progress := job["progress"]:
        facts.append(("progress", _progress(progress, job["status"])))
    return facts


def _status(job: dict[str, Any]) -> str:
    said = f"{job['status']}, attempt {job['attempt']}" if job["attempt"] > 1 else job["status"]
    for wish in ("pause", "cancel"):
        if job[f"{wish}_requested"]:
            said += f", {wish} requested"
    return str(said)


def _progress(progress: dict[str, Any], status: str) -> str:
    said = f"epoch {progress['epoch']}/{progress['epochs']}, {progress['percent']:.0f}%"
    if status == "running":
        said += f", {progress['samples_per_second']:,.0f} examples a second"
        if progress["eta_seconds"] is not None:
            said += f", {progress['eta_seconds']:.0f} s left"
    return said


def _measures(job: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, _number(value)) for name, value in job["metrics"].items()]


def _end(job: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [("diagnosis", job["verdict"])]
    if failure := job["failure"]:
        facts += [("failure", f"{failure['message']} ({failure['code']})")]
        facts += [("advice", failure["advice"])]
    if job["model"]:
        facts += [("model", job["model"])]
    return facts


def _parsed(text: str) -> Any:
    """A field's value; null where one job has no such field."""
    return json.loads(text) if text else None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
