"""What is looked for while the write lock is held has an index; idempotency keys have a table."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("made", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.drop_index("ix_jobs_key_id", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_constraint("uq_jobs_idempotency_key", type_="unique")
        jobs.drop_column("idempotency_key")
        jobs.drop_column("request_digest")
        jobs.add_column(sa.Column("pruned_at", sa.BigInteger(), nullable=True))
        stored = sa.Column("stored_bytes", sa.BigInteger(), server_default="0", nullable=False)
        jobs.add_column(stored)
    _drop_third_checkpoints()
    _fill()
    for name, columns, where in (
        ("ix_jobs_unpruned", ["id"], "ended_at IS NOT NULL AND pruned_at IS NULL"),
        ("ix_jobs_open_of_key", ["key_id"], "ended_at IS NULL"),
        ("ix_jobs_stored_of_key", ["key_id", "stored_bytes"], "stored_bytes > 0"),
        ("ix_jobs_outlived", ["id"], "pruned_at IS NOT NULL AND stored_bytes > 0"),
    ):
        condition = sa.text(where)
        op.create_index(name, "jobs", columns, sqlite_where=condition, postgresql_where=condition)
    op.add_column("aliases", sa.Column("chain", sa.String(length=40), nullable=True))
    op.execute("UPDATE aliases SET chain = substr(name, 6) WHERE substr(name, 1, 9) = 'best-job_'")
    op.create_index("ix_aliases_model_id", "aliases", ["model_id"])
    op.create_index("ix_promotions_model_id", "promotions", ["model_id"])


def _drop_third_checkpoints() -> None:
    """Drops the best checkpoints beside the two newest: nothing resumed from them."""
    op.execute(
        "DELETE FROM checkpoints WHERE 2 <= (SELECT count(*) FROM checkpoints AS newer "
        "WHERE newer.job_id = checkpoints.job_id AND newer.step > checkpoints.step)"
    )
    op.drop_column("checkpoints", "best")


def _fill() -> None:
    """Says of each job what it stores, when it was pruned, and that an ended one has ended."""
    op.execute(
        "UPDATE jobs SET ended_at = created_at WHERE ended_at IS NULL "
        "AND status IN ('succeeded', 'failed', 'cancelled')"
    )
    op.execute(
        "UPDATE jobs SET pruned_at = (SELECT max(at) FROM events "
        "WHERE events.job_id = jobs.id AND events.kind = 'pruned')"
    )
    op.execute(
        "UPDATE jobs SET stored_bytes = coalesce((SELECT sum(length(content)) FROM checkpoints "
        "WHERE checkpoints.job_id = jobs.id), 0) + coalesce((SELECT sum(length(content)) "
        "FROM model_files JOIN models ON models.id = model_files.model_id "
        "WHERE models.job_id = jobs.id), 0)"
    )
