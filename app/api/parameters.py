"""Parameters that several routes take."""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator, TypeAdapter
from pydantic_core import PydanticCustomError

from app.answers import examples
from app.answers.dataset_examples import DATASET_ID
from app.codes import Status
from app.jobspec import LabelKey, LabelValue, Text

MAX_WAIT_SECONDS = 60.0
"""How long a request may wait for a change."""
MAX_INTEGER = 2**63 - 1
"""Largest integer of the database."""

BYTES = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}
"""What /docs says of a body that is a file."""

JobId = Annotated[str, Path(description="Id of the job.", examples=[examples.JOB_ID]), Text]
ModelRef = Annotated[
    str, Path(description="Id or alias of the model.", examples=["latest", examples.MODEL_ID]), Text
]
DatasetRef = Annotated[
    str,
    Path(
        description="Id of the dataset, `name@version`, or a name for its newest version.",
        examples=["my-cats", "my-cats@2", DATASET_ID],
        max_length=100,
    ),
    Text,
]
DatasetFilter = Annotated[
    str | None,
    Query(
        description="Only those of this dataset: its name, `name@version`, or its id.",
        examples=["my-cats", "my-cats@2", DATASET_ID],
        max_length=128,
    ),
    Text,
]
PageSize = Annotated[int, Query(ge=1, le=100, description="Most items to answer.")]
After = Annotated[
    str | None, Query(description="The `next` of the page before.", max_length=128), Text
]

_label = TypeAdapter(tuple[LabelKey, LabelValue])


def _split(statuses: Any) -> Any:
    if not isinstance(statuses, list):
        return statuses
    return [name for each in statuses for name in str(each).split(",")]


def _labels(filters: list[str]) -> list[str]:
    pairs = [label_of(text) for text in filters]
    if len(dict(pairs)) < len(pairs):
        raise PydanticCustomError("label_twice", "must name each key once")
    return filters


def label_of(text: str) -> tuple[str, str]:
    """The key and the value of `key:value` or `key=value`."""
    separator = min((mark for mark in ":=" if mark in text), key=text.index, default="")
    if not separator:
        raise PydanticCustomError("label_filter", "must look like key:value")
    key, _, value = text.partition(separator)
    return _label.validate_python((key, value))


StatusFilter = Annotated[
    list[Status],
    BeforeValidator(_split),
    Query(alias="status", description="Only jobs in these states; repeat it or use commas."),
]
LabelFilter = Annotated[
    list[str],
    AfterValidator(_labels),
    Query(
        alias="label",
        max_length=16,
        description="Only jobs with this label, `key:value` or `key=value`; repeat it for more.",
        examples=[["team:vision"]],
    ),
]
