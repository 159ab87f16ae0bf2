"""For every test: datasets, decoded once, and how often a long test repeats itself.

The services are in shared.py, and which database they have in databases.py.

    pytest tests/torture --torture [--seed N] [--database postgresql]

Chance comes from one seed, printed first: a run is replayed with `--seed`. With `--torture` every
run draws another one, and looks for faults that nobody has met; without it all runs use the same
one, so that a change is judged by what it changed, and the long tests make a tenth of their
repetitions, and those of which each takes seconds fewer.
"""

import gc
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from app.jobspec import BUILT_IN_DATASETS
from tests import databases
from tests.databases import database_kind
from tests.postgresql import postgresql
from tests.shared import api, fresh, service, shared
from worker import datasets
from worker.training.dataset import Dataset, load

__all__ = ["api", "database_kind", "fresh", "postgresql", "service", "shared"]

DEFAULT_SEED = 1
LONG = ("torture", "documents", "diagnosis", "page", "client", "service", "cli")
"""Folders of files that take long: they come first, or one process would end after the others."""


@pytest.fixture(scope="session")
def datasets_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture(scope="session")
def digits(datasets_home: Path) -> Dataset:
    datasets.decode("digits", datasets_home, None)
    return load(datasets_home / "digits", BUILT_IN_DATASETS["digits"])


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
    return load(datasets_home / "mnist", BUILT_IN_DATASETS["mnist"])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--torture", action="store_true", help="full counts in the long tests")
    parser.addoption("--seed", type=int, help="of everything that is random; printed at the start")
    databases.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    if config.option.seed is None:
        full = config.option.torture
        config.option.seed = random.SystemRandom().randrange(2**32) if full else DEFAULT_SEED


def pytest_collection() -> None:
    gc.disable()  # what tests import stays: a collector that searched it took a third of the time


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed}, services on {config.option.database}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    databases.choose(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_place)
    databases.skip_others(items, config.option.database)
    if not config.option.torture:
        for item in items:
            if item.get_closest_marker("torture"):
                item.add_marker(pytest.mark.skip(reason="takes long: --torture has it"))


def _place(item: pytest.Item) -> int:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return LONG.index(folder) if folder in LONG else len(LONG)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """For this test, from the run's."""
    return int(request.config.option.seed)


@pytest.fixture(scope="session")
def repeated(request: pytest.FixtureRequest) -> Callable[..., int]:
    """How often to do what the full run does `times` times: by default a tenth `part` of it."""
    full = request.config.option.torture
    return lambda times, part=10: times if full else max(1, times // part)
