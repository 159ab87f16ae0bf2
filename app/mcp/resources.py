"""Resources: what is too long for a tool's answer, read where an agent needs it."""

import inspect
import json
import re
from typing import Any

from mcp.server.mcpserver import MCPServer

from app.cli.spec_fields import changed_fields
from app.codes import FailureCode, FindingCode, NoVerdict, Severity
from app.mcp.connection import service
from app.mcp.meanings import meanings
from app.mcp.outcomes import resource_of
from app.mcp.schemas import spec_schema

JSON, MARKDOWN = "application/json", "text/markdown"
PICTURE = re.compile(r"!\[([^\]]*)\]\(data:[^)]*\)\n*")
"""A picture inside a report: kilobytes in which an agent reads nothing."""


def add_resources(server: MCPServer[Any]) -> None:
    """Has the server offer them."""
    for uri, form, read in (
        ("traind://spec-schema", JSON, read_spec_schema),
        ("traind://presets", JSON, read_presets),
        ("traind://findings", JSON, read_findings),
        ("traind://jobs/{job}/report", MARKDOWN, read_job_report),
        ("traind://models/{model}/card", MARKDOWN, read_model_card),
        ("traind://datasets/{dataset}/report", JSON, read_dataset_report),
    ):
        told = inspect.getdoc(read)
        server.resource(uri, mime_type=form, description=told)(resource_of(read))


def read_spec_schema() -> str:
    """JSON schema of a job's specification: every field with its meaning, default and limits.
    About 17 kB."""
    return _compact(spec_schema())


def read_presets() -> str:
    """Presets to start a job from, as {"preset": NAME}: what to expect of each, and which fields it
    sets beside the defaults."""
    defaults = service().validate({})["spec"]
    return _compact(
        [
            {
                "name": preset["name"],
                "about": preset["about"],
                "sets": dict(changed_fields(defaults, preset["spec"])),
            }
            for preset in service().presets()
        ]
    )


def read_findings() -> str:
    """What the codes mean: findings of a diagnosis, verdicts without one, severities, failures."""
    return _compact(
        {
            "findings": meanings(FindingCode),
            "without_finding": meanings(NoVerdict),
            "severities": meanings(Severity),
            "failures": meanings(FailureCode),
        }
    )


def read_job_report(job: str) -> str:
    """Why a run did as it did: a report in Markdown, without its pictures."""
    return PICTURE.sub("", service().explain(job))


def read_model_card(model: str) -> str:
    """What a model is, how it was trained, how well it does, and how to ask it."""
    return service().card(model)


def read_dataset_report(dataset: str) -> str:
    """What was found in a dataset: counts, what was left out and why, duplicates."""
    return _compact(service().datasets.report(dataset))


def _compact(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
