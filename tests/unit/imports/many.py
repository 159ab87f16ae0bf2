"""Imports many files in one process, each under its memory limit, and says how each ended.

    python -m tests.unit.imports.many FOLDER...

Each folder holds a file `source`. A line of JSON for each is written: `imported`, the code of a
refusal, or a fault with its traceback. A process that dies says less than it was asked.
"""

import json
import sys
import traceback
import warnings
from pathlib import Path

from app.jobspec.import_options import ImportOptions
from worker import memory
from worker.imports.importing import imported
from worker.imports.messages import Import
from worker.imports.refusals import Refusal

MEMORY_MB = 600


def outcome(folder: Path) -> str:
    """How the import of one folder's file ends."""
    order = Import(
        source=str(folder / "source"),
        target=str(folder / "ds"),
        name="pets",
        file_name="pets",
        kind="image",
        options=ImportOptions().model_dump(mode="json"),
        memory_mb=MEMORY_MB,
    )
    try:
        imported(order, lambda _: None)
    except Refusal as refusal:
        return refusal.code
    except Exception:
        return traceback.format_exc()
    return "imported"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    memory.limit(MEMORY_MB)
    for each in sys.argv[1:]:
        sys.stdout.write(json.dumps([each, outcome(Path(each))]) + "\n")
        sys.stdout.flush()
