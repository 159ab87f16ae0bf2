"""Retries of a job, as it was or corrected, and the chain that they make."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, or_, select

from app.codes import ENDED, Status
from app.jobspec import JobSpec
from app.jobspec.patch import change, corrected
from app.store import checkpoints, datasets, diagnoses
from app.store.errors import IllegalMove, NothingToApply
from app.store.jobs import Job, get, submit
from app.store.tables import jobs, models

Z = 1.96
"""Standard errors of an interval that holds in 95% of the cases."""
MOST_SHOWN = 100
"""How many jobs of a chain are shown: the newest."""


@dataclass(frozen=True)
class ChainedJob:
    """A job of a chain."""

    id: str
    status: Status
    applied: dict[str, Any] | None
    verdict: str
    metrics: dict[str, float]
    spec: dict[str, Any]
    model_id: str | None

    @property
    def score(self) -> float:
        """What the jobs of a chain are compared by: accuracy on validation images, or else on test
        images.

        They may be measured on different numbers of images, so it is the lower end of Wilson's
        interval (1927): five of five images say less than 140 of 144.
        """
        accuracy = self.metrics.get("validation_accuracy", self.metrics.get("test_accuracy"))
        if accuracy is None or math.isnan(accuracy):
            return -1.0
        dataset = JobSpec.stored(self.spec).dataset
        images = dataset.validation_images or dataset.facts.test_images
        doubt = Z * math.sqrt(accuracy * (1 - accuracy) / images + (Z / (2 * images)) ** 2)
        return (accuracy + Z**2 / (2 * images) - doubt) / (1 + Z**2 / images)


def retry(
    connection: Connection,
    job_id: str,
    *,
    from_checkpoint: bool = False,
    suggested: bool = False,
    patch: dict[str, Any] | None = None,
    key_id: str | None = None,
    request_id: str | None = None,
) -> Job:
    """Submits an ended job again, as a job of its own that names it.

    `suggested` corrects its spec as the diagnosis has it, `patch` as its owner has it, in this
    order.

    Raises:
        JobNotFound: no job has this id.
        IllegalMove: the job has not ended.
        NothingToApply: its diagnosis suggests nothing.
        ValidationError: the changes make no valid spec.
        QuotaExceeded: the API key may submit no more.
        DatasetNotFound: the dataset was deleted.
    """
    job = get(connection, job_id)
    if job.status not in ENDED:
        raise IllegalMove(job_id, job.status, "retrying it before it has ended")
    patches = [suggestion(connection, job)] if suggested else []
    if patch is not None:
        patches.append(patch)
    known = datasets.known_to(connection, *patches)
    spec = job.spec
    if patches:
        spec = corrected(spec, *patches, known=known).model_dump(mode="json")
    again = submit(
        connection,
        spec,
        retry_of=job_id,
        chain=first_of(job),
        applied=change(job.spec, spec) if patches else None,
        range_of=job.range_of if spec.get("lr_range") else None,
        key_id=key_id,
        request_id=request_id,
    )
    if from_checkpoint:
        checkpoints.copy_newest(connection, job_id, again.id)
    return again


def suggestion(connection: Connection, job: Job) -> dict[str, Any]:
    """The merge patch that the job's diagnosis suggests.

    Raises:
        NothingToApply: it suggests none, or none that makes a valid spec.
    """
    patch = (diagnoses.get(connection, job.id) or {}).get("suggestion")
    if not patch:
        raise NothingToApply(job.id, job.verdict)
    try:
        corrected(job.spec, patch)
    except ValidationError as error:
        raise NothingToApply(job.id, job.verdict) from error
    return dict(patch)


def first_of(job: Job) -> str:
    """Id of the first job of the chain in which this one is."""
    return job.chain or job.id


def chain(connection: Connection, job: Job) -> list[ChainedJob]:
    """Every job of the chain in which this one is, oldest first."""
    columns = (
        jobs.c.id,
        jobs.c.status,
        jobs.c.applied,
        jobs.c.verdict,
        jobs.c.metrics,
        jobs.c.spec,
    )
    newest = (
        select(*columns, models.c.id.label("model_id"))
        .select_from(jobs.outerjoin(models, models.c.job_id == jobs.c.id))
        .where(or_(jobs.c.id == first_of(job), jobs.c.chain == first_of(job)))
        .order_by(jobs.c.id.desc())
        .limit(MOST_SHOWN)
    )
    rows = connection.execute(newest).all()
    return [ChainedJob(**{**row._mapping, "status": Status(row.status)}) for row in reversed(rows)]


def best(chain: Sequence[ChainedJob]) -> ChainedJob | None:
    """The job with the best model, the earlier of two that are equal; None without a model."""
    with_model = [each for each in chain if each.model_id]
    return max(with_model, key=lambda each: each.score, default=None)
