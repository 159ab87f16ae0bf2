"""The index of waiting jobs begins with their status, or SQLite takes another one."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    op.drop_index("ix_jobs_waiting", "jobs")
    columns = ["status", "lane", "queue_at", "id"]
    op.create_index(
        "ix_jobs_waiting", "jobs", columns, sqlite_where=QUEUED, postgresql_where=QUEUED
    )
