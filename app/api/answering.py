"""Stored things as the API answers them."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.answers.charts import ChartData, Line, Mark
from app.answers.datasets import Content, DatasetVersion, ImportProgress, Refusal
from app.answers.jobs import (
    ChainedJob,
    Event,
    Failure,
    Job,
    JobSummary,
    MetricPoint,
    Progress,
    Waiting,
)
from app.answers.models import Alias, File, Promotion, TrainedModel
from app.api.charts import Chart
from app.codes import Picture, Status
from app.store import aliases, datasets, events, jobs, metrics, retries, trained_models, waiting

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SIGNATURE = ("input_shape", "pixel_range", "target", "columns", "classes", "preparation")
"""What is shown of a model's signature; those of pictures and of tables have their own parts."""


def rfc3339(microseconds: int) -> str:
    """A stored time as the API writes it, such as 2026-11-23T18:00:00.123Z."""
    moment = EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else rfc3339(microseconds)


def job(
    stored: jobs.Job,
    chain: Sequence[retries.ChainedJob] = (),
    waits: waiting.Waiting | None = None,
) -> Job:
    """A job, with the chain in which it is, and why it waits."""
    return Job(
        id=stored.id,
        name=stored.name,
        status=stored.status,
        attempt=stored.attempt,
        worker=stored.worker,
        waiting=Waiting(**vars(waits)) if waits else None,
        labels=stored.labels,
        created_at=rfc3339(stored.created_at),
        started_at=_time(stored.started_at),
        first_step_at=_time(stored.first_step_at),
        ended_at=_time(stored.ended_at),
        cancel_requested=stored.cancel_requested,
        pause_requested=stored.pause_requested,
        retry_of=stored.retry_of,
        applied=stored.applied,
        range_of=stored.range_of,
        chain=_chain(chain),
        verdict=stored.verdict,
        submitted_by=stored.key_id,
        spec=stored.spec,
        progress=_progress(stored),
        metrics=stored.metrics,
        failure=_failure(stored.failure),
        model=stored.model_id,
    )


def summary(stored: jobs.Job) -> JobSummary:
    """A job as lists show it."""
    return JobSummary(
        id=stored.id,
        name=stored.name,
        status=stored.status,
        labels=stored.labels,
        created_at=rfc3339(stored.created_at),
        ended_at=_time(stored.ended_at),
        dataset=stored.spec["dataset"]["name"],
        network=stored.spec["model"]["kind"],
        progress=_progress(stored),
        metrics=stored.metrics,
        verdict=stored.verdict,
        failure=_failure(stored.failure),
        retry_of=stored.retry_of,
        range_of=stored.range_of,
        model=stored.model_id,
    )


def _progress(stored: jobs.Job) -> Progress | None:
    reported = stored.progress
    if not reported:
        return None
    percent = 100.0 * reported["step"] / max(1, reported["steps"])
    told = reported | {"percent": round(percent, 2)}
    if stored.status is Status.SUCCEEDED:  # early stopping may have ended it long before
        told["eta_seconds"] = 0.0
    return Progress(**told)


def _failure(stored: dict[str, Any] | None) -> Failure | None:
    return Failure(**stored) if stored else None


def _chain(chain: Sequence[retries.ChainedJob]) -> list[ChainedJob]:
    """The chain as the API shows it; empty where a job is alone."""
    best = retries.best(chain)
    return [
        ChainedJob(
            id=each.id,
            status=each.status,
            applied=each.applied,
            verdict=each.verdict,
            validation_accuracy=each.metrics.get("validation_accuracy"),
            test_accuracy=each.metrics.get("test_accuracy"),
            model=each.model_id,
            is_best=each is best,
        )
        for each in chain
        if len(chain) > 1
    ]


def event(stored: events.Event) -> Event:
    """An event of a job."""
    return Event(**vars(stored) | {"at": rfc3339(stored.at)})


def point(stored: metrics.Point) -> MetricPoint:
    """A point of a curve."""
    return MetricPoint(**vars(stored))


def chart(picture: Picture, drawn: Chart) -> ChartData:
    """A chart of the report, as numbers."""
    return ChartData(
        picture=picture,
        title=drawn.title,
        x_label=drawn.x_label,
        y_label=drawn.y_label,
        log_x=drawn.log_x,
        log_y=drawn.log_y,
        lines=[
            Line(name=name, points=[(x, _finite(y)) for x, y in points])
            for name, points in drawn.shown
        ],
        marks=[Mark(at=at, word=word) for at, word in drawn.marks],
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def dataset(stored: datasets.Dataset) -> DatasetVersion:
    """A version of a dataset."""
    digest, size = stored.content_sha256, stored.content_bytes
    return DatasetVersion(
        id=stored.id,
        name=stored.name,
        version=stored.version,
        kind=stored.kind,
        status=stored.status,
        created_at=rfc3339(stored.created_at),
        submitted_by=stored.key_id,
        file_name=stored.file_name,
        options=stored.options,
        content=Content(sha256=digest, bytes=size) if digest else None,
        progress=ImportProgress(**stored.progress) if stored.progress else None,
        facts=datasets.facts_of(stored) if stored.facts else None,
        refusal=Refusal(**stored.refusal) if stored.refusal else None,
    )


def model(stored: trained_models.Model) -> TrainedModel:
    """A trained model."""
    scalars = {
        name: value
        for name, value in stored.metrics.items()
        if isinstance(value, int | float | None)
    }
    return TrainedModel(
        id=stored.id,
        job=stored.job_id,
        name=stored.name,
        description=stored.description,
        aliases=stored.aliases,
        created_at=rfc3339(stored.created_at),
        **{name: stored.signature.get(name) for name in SIGNATURE},
        metrics=scalars,
        confusion_matrix=stored.metrics.get("confusion_matrix", []),
        weights_sha256=stored.weights_sha256,
        files={kind: File.model_validate(file) for kind, file in stored.files.items()},
        spec=stored.spec,
        provenance=stored.provenance,
    )


def alias(stored: aliases.Alias, history: Sequence[aliases.Promotion]) -> Alias:
    """An alias, with its latest promotions."""
    return Alias(
        name=stored.name,
        model=stored.model_id,
        previous=stored.previous,
        updated_at=rfc3339(stored.updated_at),
        history=[
            Promotion(model=past.model_id, at=rfc3339(past.at), by=past.key_id) for past in history
        ],
    )
