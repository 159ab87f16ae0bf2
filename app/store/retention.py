"""What is kept of jobs that have ended: of the newest everything, of older ones their record.

The record is the job's row, its transitions and findings, and its model where an alias names it or
did lately.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, or_, select

from app.store import diagnoses, events
from app.store.events import NewEvent
from app.store.states import ENDED
from app.store.tables import aliases, checkpoints, jobs, metrics, models, promotions
from app.store.tables import diagnoses as diagnosed
from app.store.tables import events as happened

AT_ONCE = 20
"""Jobs of one transaction: others wait while it holds the lock."""
ROLL_BACKS = 10
"""So many promotions of an alias keep their models, to be rolled back to."""
RECORD = ("state", "finding", "autopilot", "pruned")
"""Events that stay."""


@dataclass(frozen=True)
class Policy:
    """How much is kept."""

    jobs: int
    """Ended jobs, the newest, of which everything is kept."""
    checkpoints: int
    """Ended jobs, the newest, that may be tried again from their checkpoint."""


def prune(connection: Connection, policy: Policy) -> int:
    """Drops what the policy does not keep, of a few jobs; returns of how many."""
    unkept = _older_than(connection, policy.checkpoints)
    if unkept is not None:
        old = select(jobs.c.id).where(jobs.c.status.in_(ENDED), jobs.c.id <= unkept)
        connection.execute(delete(checkpoints).where(checkpoints.c.job_id.in_(old)))
    oldest_kept = _older_than(connection, policy.jobs)
    if oldest_kept is None:
        return 0
    chatter = happened.c.kind.not_in(RECORD)
    prunable = models.c.id.not_in(_protected(connection))
    has_more = or_(
        exists().where(happened.c.job_id == jobs.c.id, chatter),
        exists().where(metrics.c.job_id == jobs.c.id),
        exists().where(diagnosed.c.job_id == jobs.c.id),
        exists().where(models.c.job_id == jobs.c.id, prunable),
    )
    found = connection.execute(
        select(jobs.c.id)
        .where(jobs.c.status.in_(ENDED), jobs.c.id <= oldest_kept, has_more)
        .limit(AT_ONCE)
    )
    pruned = list(found.scalars())
    for job_id in pruned:
        connection.execute(delete(happened).where(happened.c.job_id == job_id, chatter))
        connection.execute(delete(metrics).where(metrics.c.job_id == job_id))
        diagnoses.forget(connection, job_id)
        dropped = connection.execute(delete(models).where(models.c.job_id == job_id, prunable))
        what = "its log, curves and diagnosis" + (" and model" if dropped.rowcount else "")
        message = f"{what} were dropped: {policy.jobs} newer jobs have ended (TRAIND_KEEP_JOBS)"
        events.append(connection, job_id, [NewEvent("pruned", message)])
    return len(pruned)


def _older_than(connection: Connection, kept: int) -> str | None:
    """The newest ended job behind so many that are kept, or None."""
    ended = select(jobs.c.id).where(jobs.c.status.in_(ENDED)).order_by(jobs.c.id.desc())
    return connection.execute(ended.offset(kept).limit(1)).scalar_one_or_none()


def _protected(connection: Connection) -> set[str]:
    """Models that an alias names, or that one may be rolled back to."""
    found = set(connection.execute(select(aliases.c.model_id)).scalars())
    for name in connection.execute(select(promotions.c.alias).distinct()).scalars().all():
        recent = select(promotions.c.model_id).where(promotions.c.alias == name)
        recent = recent.order_by(promotions.c.id.desc()).limit(ROLL_BACKS)
        found |= set(connection.execute(recent).scalars())
    return found
