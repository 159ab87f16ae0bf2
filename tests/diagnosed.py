"""Diagnoses as a training process sends them."""

from typing import Any

LOWER = {"training": {"optimizer": {"lr": 0.01}}}


def finding(
    code: str = "learning_rate_too_high",
    severity: str = "critical",
    suggestion: dict[str, Any] | None = LOWER,
    **others: Any,
) -> dict[str, Any]:
    """A finding of this kind; by default it suggests a learning rate of 0.01."""
    change = {
        "pointer": "/training/optimizer/lr",
        "before": 100.0,
        "after": 0.01,
        "effect": "Smaller steps do not overshoot.",
    }
    return {
        "code": code,
        "title": code.replace("_", " ").capitalize(),
        "severity": severity,
        "since": {"epoch": 1, "step": 40},
        "evidence": [
            {
                "name": "loss against its start",
                "value": 31.5,
                "threshold": 2.0,
                "comparison": "above",
                "meaning": "how many times the first loss the loss is now",
            },
        ],
        "explanation": "Each step overshoots the valley. So the loss grows instead of falling.",
        "advice": "Use a smaller learning rate.",
        "symptom_of": None,
        "picture": "loss",
        "suggestion": suggestion,
        "changes": [change] if suggestion else [],
    } | others


HEALTHY = finding("healthy", "info", None, picture="accuracy")


def diagnosis(*findings: dict[str, Any], final: bool = True, **others: Any) -> dict[str, Any]:
    """A diagnosis with these findings, the cause first."""
    cause = findings[0] if findings else {"suggestion": None, "changes": []}
    return {
        "final": final,
        "step": 400,
        "epoch": 1,
        "findings": list(findings),
        "suggestion": cause["suggestion"],
        "changes": cause["changes"],
        "series": {"gradient norm, layer 1": [[100, 0.5], [200, None], [300, 40.0], [400, 2e6]]},
        "lr_range": None,
    } | others
