"""Diagnoses as a training process sends them: those of the API's examples, varied."""

from copy import deepcopy
from typing import Any

from app.answers.examples import CHANGE, DIAGNOSIS, FINDING, SUGGESTION

LOWER = SUGGESTION
OF_THE_API = {"job", "verdict", "spec"}
"""What the API adds to what a training process says."""


def finding(
    code: str = "learning_rate_too_high",
    severity: str = "critical",
    suggestion: dict[str, Any] | None = LOWER,
    **others: Any,
) -> dict[str, Any]:
    """A finding of this kind; by default it suggests a learning rate of 0.01."""
    return (
        deepcopy(FINDING)
        | {
            "code": code,
            "title": code.replace("_", " ").capitalize(),
            "severity": severity,
            "suggestion": suggestion,
            "changes": [dict(CHANGE)] if suggestion else [],
        }
        | others
    )


HEALTHY = finding("healthy", "info", None, picture="accuracy")


def diagnosis(*findings: dict[str, Any], final: bool = True, **others: Any) -> dict[str, Any]:
    """A diagnosis with these findings, the cause first."""
    cause = findings[0] if findings else {"suggestion": None, "changes": []}
    said = {name: value for name, value in deepcopy(DIAGNOSIS).items() if name not in OF_THE_API}
    return (
        said
        | {
            "final": final,
            "findings": list(findings),
            "suggestion": cause["suggestion"],
            "changes": cause["changes"],
            "series": {
                "gradient norm, layer 1": [[100, 0.5], [200, None], [300, 40.0], [400, 2e6]]
            },
        }
        | others
    )
