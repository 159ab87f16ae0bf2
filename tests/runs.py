"""Tests play the worker: what a run reports, and how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from app.codes import FailureCode, StopReason
from app.store import imports, jobs, leases, queue, workers
from app.store.imports import ImportLease
from app.store.leases import Lease
from app.store.outcomes import Died, Failed, Stopped, Succeeded
from app.store.reported import NewCheckpoint, Reported
from app.store.trained_models import TrainedModel
from app.store.workers import Offer

OFFER = Offer(
    name="host",
    host="host",
    version="0",
    labels={},
    slots=1,
    engine="local",
    threads=64,
    memory_mb=4000,
    device="cpu",
    device_name=None,
)


def register(connection: Connection, worker: str = "wrk_1", **offered: Any) -> str:
    """Adds a worker with this id; returns its name."""
    return workers.register(connection, worker, replace(OFFER, **offered))


def claim(connection: Connection, worker: str = "wrk_1") -> Lease | None:
    """The lease of the job whose turn it is, or None; a worker that is not known is there for the
    claim only."""
    with _there(connection, worker):
        claimed = queue.claim(connection, worker)
    return claimed and claimed.lease


def claim_import(connection: Connection, worker: str = "wrk_1") -> ImportLease | None:
    """The lease of the import that has waited for longest; the worker as with `claim`."""
    with _there(connection, worker):
        claimed = imports.claim(connection, worker)
    return claimed and claimed[0]


@contextmanager
def _there(connection: Connection, worker: str) -> Iterator[None]:
    is_known = workers.find(connection, worker) is not None
    if not is_known:
        register(connection, worker)
    yield
    if not is_known:
        workers.leave(connection, worker)


def record(connection: Connection, lease: Lease, **reported: Any) -> None:
    """Writes what a run has reported; a checkpoint is (step, content)."""
    if (checkpoint := reported.get("checkpoint")) is not None:
        reported["checkpoint"] = NewCheckpoint(*checkpoint)
    leases.record(connection, lease, Reported(**reported))


def succeed(connection: Connection, lease: Lease, model: TrainedModel | None) -> str:
    """Publishes the model; returns its id, or an empty text for a range test."""
    leases.release(connection, lease, Succeeded(model))
    return jobs.get(connection, lease.job_id).model_id or ""


def fail(
    connection: Connection,
    lease: Lease,
    code: FailureCode = FailureCode.INTERNAL,
    message: str = "m",
    advice: str = "a",
) -> None:
    leases.release(connection, lease, Failed(code, message, advice))


def cancel(connection: Connection, lease: Lease) -> None:
    """Its owner cancels the job, and the run obeys."""
    jobs.request_cancel(connection, lease.job_id)
    leases.release(connection, lease, Stopped(StopReason.CANCEL))


def requeue(connection: Connection, lease: Lease) -> None:
    """The worker shuts down."""
    leases.release(connection, lease, Stopped(StopReason.SHUTDOWN))


def lose(connection: Connection, lease: Lease, how: str = "killed") -> None:
    """The process dies."""
    leases.release(connection, lease, Died(how))
