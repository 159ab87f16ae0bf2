"""Why a job waits: what its owner would ask."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.codes import Status, WaitReason
from app.store import lanes, workers
from app.store.jobs import Job
from app.store.requirements import Requirements
from app.store.workers import Worker


@dataclass(frozen=True)
class Waiting:
    """Why a job waits, for programs and for people."""

    reason: WaitReason
    message: str
    ahead: int
    """Waiting jobs of the same key that have a place before it."""


def of(connection: Connection, job: Job) -> Waiting | None:
    """Why this job waits; None if it does not."""
    if job.status is not Status.QUEUED:
        return None
    alive = [each for each in workers.listed(connection) if each.is_alive]
    reason, message = _why(Requirements.of_spec(job.spec), alive)
    ahead = lanes.ahead(connection, job.id, job.key_id)
    if ahead:
        message += f" {_count(ahead)} of the same key {'goes' if ahead == 1 else 'go'} first."
    return Waiting(reason, message, ahead)


def _why(required: Requirements, alive: Sequence[Worker]) -> tuple[WaitReason, str]:
    if not alive:
        return WaitReason.NO_WORKER, "No worker is alive yet; `traind worker` starts one."
    suitable = [each for each in alive if not required.unmet(each)]
    if not suitable:
        return WaitReason.UNSATISFIABLE, _lacking(required, alive)
    taking = [each for each in suitable if each.drain is None]
    if not taking:
        names = ", ".join(each.name for each in suitable)
        message = f"Each worker that can run it is drained: {names}."
        return WaitReason.DRAINING, message
    if all(len(each.jobs) >= each.slots for each in taking):
        workers_are = (
            "The worker that can run it is"
            if len(taking) == 1
            else (f"All {len(taking)} workers that can run it are")
        )
        return WaitReason.BUSY, f"{workers_are} busy."
    return WaitReason.STARTING, "A worker has a free slot, and takes jobs from the queue in turn."


def _lacking(required: Requirements, alive: Sequence[Worker]) -> str:
    """What no worker has; or, where each of it is somewhere, that none has all."""
    unmet = [required.unmet(each) for each in alive]
    nowhere = [what for what in unmet[0] if all(what in each for each in unmet)]
    if nowhere:
        return f"No living worker has {' or '.join(nowhere)}; it waits for one that has."
    wanted = dict.fromkeys(what for each in unmet for what in each)
    return f"No living worker has all of {', '.join(wanted)}; it waits for one that has."


def _count(jobs: int) -> str:
    return "1 waiting job" if jobs == 1 else f"{jobs} waiting jobs"
