"""Diagnoses, the chain of a job's retries, and range tests."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "diagnoses",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_diagnoses_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name="pk_diagnoses"),
    )
    unknown = sa.Column("verdict", sa.String(length=32), nullable=False, server_default="unknown")
    op.add_column("jobs", unknown)
    op.add_column("jobs", sa.Column("chain", sa.String(length=40), nullable=True))
    op.add_column("jobs", sa.Column("applied", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("jobs", sa.Column("range_of", sa.String(length=40), nullable=True))
    op.create_index("ix_jobs_chain", "jobs", ["chain"])
    op.create_index("ix_jobs_range_of", "jobs", ["range_of"])
    _link_retries()


def _link_retries() -> None:
    """Gives the retries that are there the id of the first job of their chain."""
    jobs = sa.table("jobs", sa.column("id"), sa.column("retry_of"), sa.column("chain"))
    retries = sa.select(jobs.c.id, jobs.c.retry_of).where(jobs.c.retry_of.is_not(None))
    first: dict[str, str] = {}
    for row in op.get_bind().execute(retries.order_by(jobs.c.id)).all():
        first[row.id] = first.get(row.retry_of, row.retry_of)
        linked = sa.update(jobs).where(jobs.c.id == row.id).values(chain=first[row.id])
        op.get_bind().execute(linked)
