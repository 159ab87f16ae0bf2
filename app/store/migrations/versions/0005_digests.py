"""Digests of checkpoints, so that a damaged one is passed over."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("checkpoints", sa.Column("sha256", sa.String(length=64), nullable=True))
