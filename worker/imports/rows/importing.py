"""One import of a table."""

from pathlib import Path
from typing import Any

import numpy as np

from app.jobspec.import_options import ImportOptions
from worker.imports import arrays, duplicates, parts
from worker.imports.database import refusing
from worker.imports.dividing import divide, facts
from worker.imports.messages import Import, Imported
from worker.imports.report import Findings
from worker.imports.rows import files
from worker.imports.rows.choosing import choose
from worker.imports.rows.coding import Numbers, code
from worker.imports.rows.leakage import reveals
from worker.imports.rows.report import of_rows
from worker.imports.rows.statistics import Measured, measure
from worker.imports.telling import Teller
from worker.imports.words import ROWS
from worker.training.dataset import Array, TableDescription

MOST_REVEALING = 20
"""Most columns that specs name as giving the answer away."""


def imported(wanted: Import, made: Path, scratch: Path, told: Teller) -> Imported:
    """Codes the rows of a table as numbers, divides them, and writes their arrays."""
    options = ImportOptions.stored(wanted.options)
    table = files.read(wanted.file, options.table, scratch, wanted.memory_mb)
    with table.connection, refusing("The table", files.TOO_LARGE):
        first = next(iter(table.left_out), None)
        parts.check_readable(table.rows, table.damaged, first, ROWS)
        choice = choose(table, options)
        coded = code(table, choice, scratch, told)
    division = divide(coded.found, options, ROWS, duplicates.exact)
    divided = division.parts
    training = [each.row for each in divided["train"]]
    measured = [measure(picked, at, coded, training) for at, picked in enumerate(choice.picked)]
    labels = [each.label for each in divided["train"]]
    revealing = [
        picked.name
        for at, picked in enumerate(choice.picked)
        if reveals(np.asarray(coded.values[:, at][training]), labels)
    ]
    digest = arrays.write_parts(
        made,
        division.classes,
        divided,
        lambda some: (_trained(piece, measured) for piece in arrays.pieces(some, coded.values)),
    )
    description = TableDescription(
        name=wanted.name,
        target=table.names[choice.target],
        columns=[each.column for each in measured],
        classes=division.classes,
        sha256=digest,
    )
    arrays.describe(made, description)
    left_out = [*table.left_out, *coded.left_out]
    count = table.damaged + coded.without
    findings = Findings(table.format, options, ROWS, left_out, count, division)
    found: dict[str, Any] = {
        "kind": "table",
        "input_shape": description.input_shape,
        "sha256": digest,
        "revealing": revealing[:MOST_REVEALING],
        **facts(division, options),
    }
    return Imported(found, of_rows(findings, choice, measured, coded, revealing))


def _trained(values: Numbers, measured: list[Measured]) -> Array:
    """The numbers that train, float32 (n, columns)."""
    columns = [each.trained(values[:, at]) for at, each in enumerate(measured)]
    return np.ascontiguousarray(np.stack(columns, axis=1), np.float32)
