"""The Python client against a real service: an API and a worker."""

from collections.abc import Iterator

import pytest

from app.local import Service
from traind import Client, Job


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


@pytest.fixture(scope="module")
def trained(service: Service) -> Iterator[Job]:
    """A job on digits that has ended."""
    with Client(service.url) as client:
        yield client.train(preset="digits", training={"epochs": 2}).wait()
