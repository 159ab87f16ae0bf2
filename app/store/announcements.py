"""Who is told that a job has ended or was set aside: written down where its state changes.

The facts of a message are those of the moment, so that each attempt to deliver it says the same.
"""

from typing import Any

from sqlalchemy import Connection, select

from app.codes import ENDED, Status
from app.store import outbox
from app.store.database import now
from app.store.outbox import Work
from app.store.tables import jobs, keys, models

TOLD = ENDED | {Status.PAUSED}
"""The states of which others are told."""
_FACTS = (
    jobs.c.id,
    jobs.c.name,
    jobs.c.labels,
    jobs.c.status,
    jobs.c.attempt,
    jobs.c.created_at,
    jobs.c.started_at,
    jobs.c.ended_at,
    jobs.c.retry_of,
    jobs.c.verdict,
    jobs.c.metrics,
    jobs.c.failure,
)


def announce(connection: Connection, job_id: str) -> None:
    """Has the webhooks of a job and of its key called, and MLflow told, if its state is told of.

    Call it once for each change of the state, behind the writes of the change.
    """
    found = connection.execute(
        select(*_FACTS, models.c.id.label("model"), jobs.c.spec, keys.c.webhooks.label("of_key"))
        .select_from(
            jobs.outerjoin(models, models.c.job_id == jobs.c.id).outerjoin(
                keys, keys.c.id == jobs.c.key_id
            )
        )
        .where(jobs.c.id == job_id)
    ).one()
    if found.status not in TOLD:
        return
    facts = dict(found._mapping)
    spec, of_key = facts.pop("spec"), facts.pop("of_key") or []
    message: dict[str, Any] = {"type": f"job.{found.status}", "at": now(connection), "job": facts}
    for name in dict.fromkeys([*spec.get("webhooks", []), *of_key]):
        outbox.add(connection, Work.WEBHOOK, job_id, {"destination": name, **message})
    mirrors = connection.get_execution_options().get("mirrors", False)
    if mirrors and found.status in ENDED and found.attempt:
        outbox.add(connection, Work.MLFLOW, job_id, {"destination": "mlflow"})
