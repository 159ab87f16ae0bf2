"""The inputs of a table's graph."""

import numpy as np
import pytest

from app.rows.columns import Column
from app.serving.signature import Signature
from app.serving.table_signature import TableSignature, signature_from_json

AGE = Column("age", "number")
BORN = Column("born", "date")
JOB = Column("job", "category", categories=("a", "b"))


@pytest.mark.parametrize(
    ("columns", "shapes"),
    [
        ([JOB, AGE, BORN], {"numbers": (4, 2), "categories": (4, 1)}),
        ([AGE, BORN], {"numbers": (4, 2)}),
        ([JOB], {"categories": (4, 1)}),
    ],
)
def test_a_table_without_a_kind_of_columns_has_no_input_for_it(
    columns: list[Column], shapes: dict[str, tuple[int, int]]
) -> None:
    fed = TableSignature(columns, "y", ["a", "b"]).feed(np.ones((4, len(columns)), np.float32))
    assert {name: part.shape for name, part in fed.items()} == shapes
    assert {name: part.dtype.name for name, part in fed.items()} == {
        name: {"numbers": "float32", "categories": "int64"}[name] for name in shapes
    }


def test_a_stored_signature_tells_pictures_from_tables() -> None:
    table = {"input_shape": [4], "target": "y", "classes": ["a"], "columns": [JOB.to_json()]}
    assert signature_from_json(table, "d") == TableSignature([JOB], "y", ["a"], "d")
    pictures = {"input_shape": [1, 8, 8], "pixel_range": [0, 16], "classes": ["a"]}
    assert signature_from_json(pictures, "d") == Signature((1, 8, 8), (0, 16), ["a"], "d")
