"""What every answer of a tool has in common."""

from typing import Any, overload

from pydantic import BaseModel, ConfigDict

from app.docstrings import describe


class Answer(BaseModel):
    """An answer whose fields' docstrings stand in the tool's output schema; nulls are left out."""

    model_config = ConfigDict(json_schema_extra=describe)


@overload
def rounded(value: float) -> float: ...
@overload
def rounded(value: float | None) -> float | None: ...
def rounded(value: float | None) -> float | None:
    """The value with four significant digits: more of them say nothing to an agent."""
    return None if value is None else float(f"{value:.4g}")


def rounded_metrics(metrics: dict[str, Any]) -> dict[str, float | None]:
    """The latest value of each metric, rounded; null where it was not a finite number."""
    return {name: rounded(value) for name, value in metrics.items()}
