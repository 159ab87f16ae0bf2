"""The Python client against a real service: an API and a worker."""

from collections.abc import Iterator

import pytest

from app.local import Service, running
from app.settings import Settings
from traind import Client, Job


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(Settings(home=tmp_path_factory.mktemp("home"), port=0)) as service:
        yield service


@pytest.fixture
def client(up: Service) -> Iterator[Client]:
    with Client(up.url) as client:
        yield client


@pytest.fixture(scope="module")
def trained(up: Service) -> Iterator[Job]:
    """A job on digits that has ended."""
    with Client(up.url) as client:
        yield client.train(preset="digits", training={"epochs": 2}).wait()
