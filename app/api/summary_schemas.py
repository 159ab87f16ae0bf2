"""A job in a list: what a row or a card of it shows, without its specification."""

from typing import Any, Self

from pydantic import BaseModel

from app.api import examples
from app.api.schemas import Failure, Progress, described, rfc3339
from app.store import jobs
from app.store.states import Status

SUMMARY = {
    "id": examples.JOB_ID,
    "name": "reference",
    "status": "succeeded",
    "labels": {},
    "created_at": "2026-11-23T18:00:00.123Z",
    "ended_at": "2026-11-23T18:01:31.020Z",
    "dataset": "mnist",
    "network": "mlp",
    "progress": examples.PROGRESS,
    "metrics": examples.METRICS,
    "verdict": "healthy",
    "failure": None,
    "retry_of": None,
    "range_of": None,
    "model": examples.MODEL_ID,
}


class JobSummary(BaseModel):
    """A job as lists show it."""

    model_config = described(SUMMARY)

    id: str
    """`job_` and 26 characters; ids sort by the time of submission."""
    name: str
    """Free text of its owner."""
    status: Status
    """Where the job is in its life."""
    labels: dict[str, str]
    """Pairs to filter by."""
    created_at: str
    """When it was submitted (RFC 3339, UTC)."""
    ended_at: str | None
    """When it succeeded, failed or was cancelled (RFC 3339, UTC)."""
    dataset: str
    """Name of what it trains on."""
    network: str
    """Kind of its network."""
    progress: Progress | None
    """Where its latest attempt is; null before the first report."""
    metrics: dict[str, float | None]
    """Latest value of each metric. Losses are in nats, accuracies run from 0 to 1."""
    verdict: str
    """What its diagnosis found first; `unknown` while nothing, `off` where none is looked for."""
    failure: Failure | None
    """Why it failed; null unless it did."""
    retry_of: str | None
    """Id of the job that this one retries."""
    range_of: str | None
    """Id of the job for which this is a learning-rate range test."""
    model: str | None
    """Id of the model that it made; null until it has succeeded."""

    @classmethod
    def of(cls, job: jobs.Job) -> Self:
        """The summary of a stored job."""
        progress: dict[str, Any] | None = job.progress
        return cls(
            id=job.id,
            name=job.name,
            status=job.status,
            labels=job.labels,
            created_at=rfc3339(job.created_at),
            ended_at=None if job.ended_at is None else rfc3339(job.ended_at),
            dataset=job.spec["dataset"]["name"],
            network=job.spec["model"]["kind"],
            progress=Progress.of(progress) if progress else None,
            metrics=job.metrics,
            verdict=job.verdict,
            failure=Failure(**job.failure) if job.failure else None,
            retry_of=job.retry_of,
            range_of=job.range_of,
            model=job.model_id,
        )
