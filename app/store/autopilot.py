"""Follows the service's own suggestions: after an unhealthy run it submits the corrected job.

The end of a run leaves it a task in the outbox. It works in the transaction that removes the task,
so it acts once.
"""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, or_, select

from app.codes import FailureCode, Severity, Status
from app.jobspec.patch import corrected
from app.store import aliases, diagnoses, events, retries
from app.store.errors import QuotaExceeded
from app.store.events import NewEvent
from app.store.jobs import Job, get
from app.store.locks import hold_rows
from app.store.tables import jobs


def follow(connection: Connection, job_id: str, *, cancelled: bool) -> None:
    """Names the best model of an ended job's chain, and submits the corrected job, if any.

    `cancelled` says that the job's owner had asked to stop it before it ended.
    """
    job = get(connection, job_id)
    wanted = job.spec.get("autopilot")
    if wanted is None or job.spec.get("lr_range"):
        return
    # Of two ends of a chain at once, the second one sees what the first one does.
    hold_rows(connection, jobs.c.id, {job_id, retries.first_of(job)})
    best = retries.best(retries.chain(connection, job))
    if best is not None and best.model_id is not None:
        chain = retries.first_of(job)
        aliases.point(connection, f"best-{chain}", best.model_id, chain)
    said = _go_on(connection, job, wanted["max_jobs"], cancelled=cancelled)
    events.append(connection, job_id, [said])


def _go_on(connection: Connection, job: Job, most: int, *, cancelled: bool) -> NewEvent:
    """Submits the corrected job; returns what was done, or why nothing was."""
    diagnosis = diagnoses.get(connection, job.id)
    if cancelled or job.status is Status.CANCELLED:
        return _said("its owner asked to stop")
    if job.failure is not None and job.failure["code"] != FailureCode.DIVERGED:
        return _said(f"the run failed as {job.failure['code']}, which no diagnosis mends")
    if diagnosis is None or not diagnosis["final"]:
        return _said("the run ended without a diagnosis")
    cause = diagnosis["findings"][0]
    if cause["severity"] == Severity.INFO:
        return _said(_plain(cause))
    patch = diagnosis["suggestion"]
    if not patch:
        return _said("nothing that a specification can change")
    tried = _tried(connection, job)
    if len(tried) >= most:
        return _said(f"out of budget ({len(tried)} of {most} jobs)")
    try:
        spec = corrected(job.spec, patch).model_dump(mode="json")
        if spec in tried:
            return _said("the correction leads back to what was tried")
        again = retries.retry(connection, job.id, suggested=True, key_id=job.key_id)
    except ValidationError as error:
        return _said(f"the suggestion makes no valid specification: {error.errors()[0]['msg']}")
    except QuotaExceeded as refused:
        return _said(str(refused))
    said = _said(f"corrects {job.id}: {_plain(cause)}", of=job.id, finding=cause["code"])
    events.append(connection, again.id, [said])
    return _said(f"{_plain(cause)}; {again.id} corrects it", next=again.id)


def _tried(connection: Connection, job: Job) -> list[dict[str, Any]]:
    """The specs of the job's chain."""
    first = retries.first_of(job)
    specs = select(jobs.c.spec).where(or_(jobs.c.id == first, jobs.c.chain == first))
    return [spec | {"preset": None} for spec in connection.execute(specs).scalars()]


def _plain(finding: dict[str, Any]) -> str:
    return str(finding["code"]).replace("_", " ")


def _said(message: str, **data: Any) -> NewEvent:
    return NewEvent("autopilot", f"autopilot: {message}", data)
