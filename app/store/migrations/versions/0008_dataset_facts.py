"""Specs hold the facts of their dataset: what the service knows of it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ROWS = 500
"""Specs that are read and written together."""


def _facts(side: int, train_images: int, test_images: int) -> dict[str, Any]:
    shape = [1, side, side]
    sizes = {"train_images": train_images, "test_images": test_images}
    return {"input_shape": shape, "classes": 10, **sizes}


FACTS = {
    "digits": _facts(8, 1437, 360),
    "mnist": _facts(28, 60000, 10000),
    "fashion-mnist": _facts(28, 60000, 10000),
    "kmnist": _facts(28, 60000, 10000),
}
"""The built-in datasets, the only ones before this revision."""


def upgrade() -> None:
    for name in ("jobs", "models"):
        _state_facts(sa.table(name, sa.column("id"), sa.column("spec", sa.JSON())))


def _state_facts(table: sa.TableClause) -> None:
    connection, last = op.get_bind(), ""
    changed = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("row"))
        .values(spec=sa.bindparam("with_facts", type_=sa.JSON()))
    )
    while True:
        some = sa.select(table).where(table.c.id > last).order_by(table.c.id).limit(ROWS)
        rows = connection.execute(some).all()
        if not rows:
            return
        last = rows[-1].id
        connection.execute(
            changed, [{"row": row.id, "with_facts": _with_facts(row.spec)} for row in rows]
        )


def _with_facts(spec: dict[str, Any]) -> dict[str, Any]:
    dataset = spec["dataset"]
    return spec | {"dataset": dataset | {"facts": FACTS[dataset["name"]]}}
