"""Keys whose jobs are told of by webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    webhooks = sa.Column("webhooks", sa.JSON(), server_default="[]", nullable=False)
    op.add_column("keys", webhooks)
