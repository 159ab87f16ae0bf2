"""The datasets into which faults are planted: digits, and MNIST in the long run, where it is."""

import os
from pathlib import Path

import pytest

from worker import datasets


@pytest.fixture(scope="session")
def decoded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of decoded datasets."""
    home = tmp_path_factory.mktemp("decoded")
    datasets.decode("digits", home, None)
    beside = Path(__file__).parents[3] / "shared" / "data"
    source = Path(os.environ.get("TRAIND_DATASETS", beside))
    full = request.config.option.torture
    if full and (source / "MNIST" / "raw" / "train-images-idx3-ubyte").exists():
        datasets.decode("mnist", home, source)
    return home
