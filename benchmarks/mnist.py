"""Where the benchmarks find MNIST."""

import os
import sys
from pathlib import Path


def source() -> Path:
    """A folder that holds MNIST in torchvision's layout; the program ends where there is none."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    found = Path(os.environ.get("TRAIND_DATASETS", beside))
    if not (found / "MNIST" / "raw").exists():
        sys.exit("MNIST is not here: set TRAIND_DATASETS to a folder that holds MNIST/raw")
    return found
