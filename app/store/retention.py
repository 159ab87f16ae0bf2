"""What is kept of ended jobs: everything of the newest, the record of older ones.

The record is the job's row, its changes of state, its findings and what autopilot said. The model
of an older job is kept while something protects it:

- an alias names it. Autopilot's `best-...` protects it only while a job of its chain has not been
  pruned; then the alias goes with the model;
- an alias that exists has named it in one of its last ten promotions, so that a rollback finds it.

Every query reads an index that holds only what is left to do, so that pruning takes as long after a
million jobs as after a thousand.
"""

from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)

from app.store import checkpoints as kept_checkpoints
from app.store import events, idempotency, stored
from app.store.database import now
from app.store.events import NewEvent
from app.store.locks import hold_name, hold_rows
from app.store.tables import (
    aliases,
    checkpoints,
    diagnoses,
    jobs,
    metrics,
    models,
    promotions,
)
from app.store.tables import events as happened

AT_ONCE = 20
"""Most jobs of one transaction, because others wait while it holds the write lock."""
ROLL_BACKS = 10
"""Latest promotions of an alias whose models are kept."""
RECORD = ("state", "finding", "autopilot", "pruned")
"""Kinds of events that are kept."""


@dataclass(frozen=True)
class Policy:
    """How much is kept."""

    jobs: int
    """How many ended jobs, the newest, keep everything."""
    checkpoints: int
    """Newest ended jobs, among these, whose checkpoints are kept for a retry."""


def prune(connection: Connection, policy: Policy) -> int:
    """Drops what the policy does not keep, of a few jobs; returns of how many, 0 at the end."""
    hold_name(connection, "prune")  # one worker prunes at a time
    idempotency.forget_expired(connection)
    return (
        _prune_checkpoints(connection, min(policy.checkpoints, policy.jobs))
        + _prune_jobs(connection, policy)
        + _prune_models(connection, policy)
    )


HAS_MORE = and_(jobs.c.ended_at.is_not(None), jobs.c.pruned_at.is_(None))
"""An ended job that was not pruned: as the partial index has it."""


def _behind(connection: Connection, newest: int) -> str | None:
    """Id of the first ended job behind the `newest` ones, or None where there are no more."""
    by_age = select(jobs.c.id).where(HAS_MORE).order_by(jobs.c.id.desc())
    return connection.execute(by_age.offset(newest).limit(1)).scalar_one_or_none()


def _prune_checkpoints(connection: Connection, kept: int) -> int:
    threshold = _behind(connection, kept)
    if threshold is None:
        return 0
    found = connection.execute(
        select(checkpoints.c.job_id)
        .distinct()
        .join(jobs, jobs.c.id == checkpoints.c.job_id)
        .where(checkpoints.c.job_id <= threshold, jobs.c.ended_at.is_not(None))
        .limit(AT_ONCE)
    )
    old = found.scalars().all()
    for job_id in old:
        kept_checkpoints.drop(connection, job_id)
    return len(old)


def _prune_jobs(connection: Connection, policy: Policy) -> int:
    threshold = _behind(connection, policy.jobs)
    if threshold is None:
        return 0
    old = select(jobs.c.id).where(HAS_MORE, jobs.c.id <= threshold).order_by(jobs.c.id)
    found = connection.execute(old.limit(AT_ONCE)).scalars().all()
    for job_id in found:
        kept_checkpoints.drop(connection, job_id)
        drops = {
            "log": delete(happened).where(
                happened.c.job_id == job_id, happened.c.kind.not_in(RECORD)
            ),
            "curves": delete(metrics).where(metrics.c.job_id == job_id),
            "diagnosis": delete(diagnoses).where(diagnoses.c.job_id == job_id),
        }
        dropped = [what for what, drop in drops.items() if connection.execute(drop).rowcount]
        values = {"pruned_at": now(connection)}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))
        if dropped:
            events.append(connection, job_id, [_dropped(", ".join(dropped), policy)])
    return len(found)


def _prune_models(connection: Connection, policy: Policy) -> int:
    """Deletes the models of pruned jobs that nothing protects any more."""
    unprotected = (
        select(models.c.id, models.c.job_id)
        .join(jobs, jobs.c.id == models.c.job_id)
        .where(jobs.c.pruned_at.is_not(None), stored.SOME, not_(_is_protected()))
        .order_by(models.c.job_id)
    )
    seen = connection.execute(unprotected.limit(AT_ONCE)).all()
    if not seen:
        return 0
    hold_rows(connection, jobs.c.id, [model.job_id for model in seen])
    ids = hold_rows(connection, models.c.id, [model.id for model in seen])
    # Again, for they may have been promoted before they were held.
    found = connection.execute(unprotected.where(models.c.id.in_(ids))).all()
    for model in found:
        connection.execute(delete(aliases).where(aliases.c.model_id == model.id))
        connection.execute(delete(models).where(models.c.id == model.id))
        stored.recount(connection, model.job_id)
        events.append(connection, model.job_id, [_dropped("model", policy)])
    return len(found)


def _is_protected() -> ColumnElement[bool]:
    """Whether an alias keeps a model of the query."""
    link = jobs.alias("link")
    chain_is_kept = exists().where(
        link.c.pruned_at.is_(None),
        or_(link.c.id == aliases.c.chain, link.c.chain == aliases.c.chain),
    )
    is_named = exists().where(
        aliases.c.model_id == models.c.id, or_(aliases.c.chain.is_(None), chain_is_kept)
    )
    of_alias = promotions.alias("of_alias")
    last = select(func.max(of_alias.c.id)).where(of_alias.c.alias == promotions.c.alias)
    is_way_back = exists().where(
        promotions.c.model_id == models.c.id,
        promotions.c.alias == aliases.c.name,
        promotions.c.id > last.scalar_subquery() - ROLL_BACKS,
    )
    return or_(is_named, is_way_back)


def _dropped(what: str, policy: Policy) -> NewEvent:
    message = f"dropped: {what}; {policy.jobs} newer jobs have ended (TRAIND_KEEP_JOBS)"
    return NewEvent("pruned", message)
