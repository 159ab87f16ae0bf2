"""Tools about what jobs learn from: list, look, and add a small table."""

from functools import partial
from typing import Annotated, Any

from anyio.to_thread import run_sync
from pydantic import Field

from app.jobspec import BUILT_IN_DATASETS
from app.mcp.answers import Answer
from app.mcp.connection import service
from app.mcp.waiting import WAITING

MOST_DATASETS = 50
"""Datasets of one's own in a list."""
MOST_CHARACTERS = 200_000
"""Of a table in a call; more belongs into a file, which `traind data add` sends."""
IMPORT_SECONDS = 40.0
"""How long a call waits for an import; clients give up after 60 s."""


class DatasetLine(Answer):
    """What a job may learn from: `{"dataset": {"name": NAME}}`."""

    name: str
    """Its name in a specification."""
    version: int | None = None
    """Number of the version; absent for those built in."""
    kind: str
    """`image`, or `table`: an example is a row."""
    status: str
    """`ready` to train on, `awaiting_upload`, `importing`, or `refused`."""
    training_examples: int | None = None
    """Examples of the training part."""
    test_examples: int | None = None
    """Examples of the test part."""
    classes: int | None = None
    """How many classes the labels name."""
    refusal: str | None = None
    """Why its file cannot be used, and what to change."""


class DatasetList(Answer):
    """The newest version of each dataset of one's own, then those that are built in."""

    datasets: list[DatasetLine]
    """At most 50 of one's own."""


def list_datasets() -> DatasetList:
    """List what jobs can learn from: datasets of one's own, and those that are built in."""
    newest: dict[str, DatasetLine] = {}
    for found in service().datasets.each(MOST_DATASETS):
        newest.setdefault(found["name"], _line(found))
    built_in = [
        _with_facts(name, facts.kind, facts.model_dump())
        for name, facts in BUILT_IN_DATASETS.items()
    ]
    return DatasetList(datasets=[*newest.values(), *built_in])


async def add_table(
    name: Annotated[
        str,
        Field(description="Small letters, digits, - _ and . ; taken again it gets a new version."),
    ],
    csv: Annotated[
        str,
        Field(
            max_length=MOST_CHARACTERS,
            description="The table as CSV text with a line of column names.",
        ),
    ],
    target: Annotated[str, Field(description="The column to predict; its values are the classes.")],
) -> DatasetLine:
    """Add a small table (200,000 characters or less) as a dataset to train on, and wait up to 40 s
    for its import. Larger tables and pictures are sent with `traind data add NAME PATH`."""
    datasets = service().datasets
    make = partial(datasets.make, kind="table", file_name=f"{name}.csv", table={"target": target})
    made = await run_sync(make, name)
    await run_sync(datasets.send_text, made["id"], csv)
    imported = partial(datasets.get, made["id"], IMPORT_SECONDS)
    return _line(await run_sync(imported, limiter=WAITING))


def _line(found: dict[str, Any]) -> DatasetLine:
    refusal = found["refusal"]
    line = _with_facts(found["name"], found["kind"], found["facts"] or {})
    line.version, line.status = found["version"], found["status"]
    line.refusal = (
        f"{refusal['code']}: {refusal['message']} {refusal['advice']}" if refusal else None
    )
    return line


def _with_facts(name: str, kind: str, facts: dict[str, Any]) -> DatasetLine:
    return DatasetLine(
        name=name,
        kind=kind,
        status="ready",
        training_examples=facts.get("train_images"),
        test_examples=facts.get("test_images"),
        classes=facts.get("classes"),
    )
