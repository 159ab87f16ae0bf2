"""Datasets for every test: digits decoded once, MNIST where this machine has it."""

import os
from pathlib import Path

import pytest

from worker import datasets
from worker.training.dataset import Dataset, load


@pytest.fixture(scope="session")
def datasets_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture(scope="session")
def digits(datasets_home: Path) -> Dataset:
    datasets.decode("digits", datasets_home, None)
    return load(datasets_home / "digits")


@pytest.fixture(scope="session")
def mnist_source() -> Path:
    """A folder that holds MNIST in torchvision's layout."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    source = Path(os.environ.get("TRAIND_DATASETS", beside))
    if not (source / "MNIST" / "raw" / "train-images-idx3-ubyte").exists():
        pytest.skip("MNIST is not here: set TRAIND_DATASETS to a folder that holds MNIST/raw")
    return source


@pytest.fixture(scope="session")
def mnist(datasets_home: Path, mnist_source: Path) -> Dataset:
    datasets.decode("mnist", datasets_home, mnist_source)
    return load(datasets_home / "mnist")
