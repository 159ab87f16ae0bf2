"""Workers with an id, labels and a drain; jobs with a place in the queue."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

QUEUED = sa.text("status = 'queued'")
STARTED = sa.text("started_at > 0")
jobs = sa.table(
    "jobs",
    sa.column("id", sa.String),
    sa.column("key_id", sa.String),
    sa.column("spec", sa.JSON),
    sa.column("lane", sa.Text),
    sa.column("ended_at", sa.BigInteger),
)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("lane", sa.Text(), server_default="", nullable=False))
    place = sa.Column("queue_at", sa.BigInteger(), server_default="0", nullable=False)
    op.add_column("jobs", place)
    op.execute("UPDATE jobs SET queue_at = created_at")
    _fill_lanes()
    op.drop_index("ix_jobs_waiting", "jobs")
    for name, columns, where in (
        ("ix_jobs_waiting", ["lane", "queue_at", "id"], QUEUED),
        ("ix_jobs_starts_of_key", ["key_id", "started_at"], STARTED),
    ):
        op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)
    op.drop_table("workers")
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("memory_mb", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.String(length=16), nullable=False),
        sa.Column("device_name", sa.String(length=128), nullable=True),
        sa.Column("engine", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.Column("speed", sa.JSON(), nullable=True),
        sa.Column("drained_at", sa.BigInteger(), nullable=True),
        sa.Column("drain_reason", sa.Text(), nullable=True),
        sa.Column("gives_back", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_index("ix_workers_name", "workers", ["name"])
    op.create_index("ix_workers_heartbeat_at", "workers", ["heartbeat_at"])


def _fill_lanes() -> None:
    """Says where the jobs that have not ended wait, or would wait again."""
    connection = op.get_bind()
    unended = sa.select(jobs.c.id, jobs.c.key_id, jobs.c.spec).where(jobs.c.ended_at.is_(None))
    for job in connection.execute(unended).all():
        text = json.dumps(_required(job.spec), sort_keys=True, separators=(",", ":"))
        lane = f"{job.key_id or ''} {text}"
        connection.execute(jobs.update().where(jobs.c.id == job.id).values(lane=lane))


def _required(spec: dict[str, Any]) -> dict[str, Any]:
    resources = spec.get("resources", {})
    required: dict[str, Any] = {}
    if resources.get("device") == "cuda":
        required["device"] = "cuda"
    if resources.get("threads", 1) > 1:
        required["threads"] = resources["threads"]
    return required
