"""The outbox, lost attempts that count anew after a checkpoint, and no wish without a run."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Both databases rename a column in place; alembic would copy the table on SQLite.
    op.execute("ALTER TABLE jobs RENAME COLUMN losses TO lost_attempts")
    op.add_column("jobs", sa.Column("lost_at_step", sa.BigInteger(), nullable=True))
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("work", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_outbox_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_job_id", "outbox", ["job_id"])
    op.create_index("ix_outbox_due_at", "outbox", ["due_at"])
    # Ends left wishes behind: a paused job that had been cancelled too could not be cancelled.
    jobs = sa.table(
        "jobs",
        sa.column("status", sa.String),
        sa.column("cancel_requested", sa.Boolean),
        sa.column("pause_requested", sa.Boolean),
    )
    op.execute(
        sa.update(jobs)
        .where(jobs.c.status != "running")
        .values(cancel_requested=False, pause_requested=False)
    )
