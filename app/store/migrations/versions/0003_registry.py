"""Descriptions of models, and which models each alias has named."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("models", sa.Column("description", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "promotions",
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("alias", "id", name="pk_promotions"),
    )
