"""Fields say in a schema what their docstrings say: those of a base and of a generic model, too."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from app.answers.jobs import Job
from app.answers.pages import Page
from app.docstrings import describe
from app.jobspec import JobSpec


class Base(BaseModel):
    model_config = ConfigDict(json_schema_extra=describe)

    first: int
    """Of the base,

    in two paragraphs."""
    bare: int


class Below(Base):
    first: int
    second: Annotated[int, Field(description="as it is given")]
    """Not this."""
    third: Base | None = None
    """Another one."""


@pytest.mark.parametrize(
    ("schema", "name", "text"),
    [
        (Base.model_json_schema(), "first", "Of the base,\n\nin two paragraphs."),
        (Base.model_json_schema(), "bare", None),
        (Below.model_json_schema(), "first", "Of the base,\n\nin two paragraphs."),
        (Below.model_json_schema(), "second", "as it is given"),
        (Below.model_json_schema(), "third", "Another one."),
        (Page[Job].model_json_schema(), "data", "The items, in order."),
        (JobSpec.model_json_schema(), "dataset", "What to learn from."),
    ],
)
def test_a_field_has_its_description(schema: dict[str, Any], name: str, text: str | None) -> None:
    assert schema["properties"][name].get("description") == text
