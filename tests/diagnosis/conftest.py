"""The datasets into which faults are planted: digits, and MNIST where it is."""

import os
from pathlib import Path

import pytest

from worker import datasets


@pytest.fixture(scope="session")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of decoded datasets."""
    home = tmp_path_factory.mktemp("decoded")
    datasets.decode("digits", home, None)
    beside = Path(__file__).parents[2] / "shared" / "data"
    source = Path(os.environ.get("TRAIND_DATASETS", beside))
    if (source / "MNIST" / "raw" / "train-images-idx3-ubyte").exists():
        datasets.decode("mnist", home, source)
    return home
