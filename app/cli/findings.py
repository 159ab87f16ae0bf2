"""What a diagnosis found, in the terminal: a line for a healthy run, else why and what to try."""

import json
from typing import Any

from rich.console import Console
from rich.text import Text

from app.cli.connection import Job, Url, connected
from app.cli.terminal import AsJson, console, print_json, print_prose, printable

INDENT = 2
STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "bold"}


def diagnose(job: Job, *, as_json: AsJson = False, url: Url = None) -> None:
    """Say what is wrong with a run, and what to try."""
    with connected(url) as client:
        known = client.diagnosis(job)
        if as_json:
            print_json(known)
        else:
            show(known, console)


def show(known: dict[str, Any], console: Console) -> None:
    """Prints a job's findings, each with its evidence, and how to run what they suggest."""
    if known["lr_range"]:
        print_prose(Text(_of_range(known["lr_range"])), console)
    if known["verdict"] == "healthy" or not known["findings"]:
        if not known["lr_range"]:  # a range test by itself has no verdict
            console.print(f"Diagnosis: {known['verdict']}")
        return
    for finding in known["findings"]:
        console.print()
        title, *sentences = _told(finding)
        print_prose(title, console)
        for sentence in sentences:
            print_prose(sentence, console, INDENT)
    if known["spec"]:
        console.print("\nTo try:")
        for change in known["changes"]:
            before, after = (json.dumps(change[when]) for when in ("before", "after"))
            told = f"{change['pointer']}: {before} -> {after} ({change['effect'].rstrip('.')})"
            print_prose(Text(told), console, INDENT)
        console.print(f"  traind retry {known['job']} --apply-suggestion", soft_wrap=True)


def _told(finding: dict[str, Any]) -> list[Text]:
    severity = finding["severity"]
    cause = finding["symptom_of"]
    of = f", a symptom of {cause.replace('_', ' ')}" if cause else ""
    return [
        Text(printable(f"{finding['title']} ({severity}{of})"), STYLES[severity]),
        Text(finding["explanation"]),
        *(Text(measured(each), "dim") for each in finding["evidence"]),
        Text(finding["advice"]),
    ]


def measured(evidence: dict[str, Any]) -> str:
    """A measurement behind a finding, with the value beyond which it is a fault."""
    limit = ""
    if evidence["threshold"] is not None:
        limit = f" (a fault {evidence['comparison']} {_number(evidence['threshold'])})"
    return f"{evidence['name']}: {_number(evidence['value'])}{limit}; {evidence['meaning']}"


def _of_range(found: dict[str, Any]) -> str:
    told = "No learning rate can be recommended: the loss has no clear descent."
    if found["recommended"] is not None:
        told = f"Recommended learning rate: {_number(found['recommended'])}"
    return f"{told} {found['advice']}" if found["advice"] else told


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"
