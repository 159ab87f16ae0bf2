"""The services that all files of a test process share: each file, or test, finds an empty database.

A whole service takes seconds to start, most of them for torch. A file that wants other settings, or
a home that nobody has used, has one of its own.
"""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from sqlalchemy import delete

from app.local import Service, running
from app.store import database, tables
from app.store.database import Database
from tests import databases
from tests.service.conftest import Api, serving
from tests.waiting import until


@pytest.fixture(scope="session")
def shared(
    database_kind: str,  # noqa: ARG001 (made anew when it changes)
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """An API and a worker."""
    with running(databases.settings(tmp_path_factory.mktemp("shared"))) as service:
        yield service


@pytest.fixture(scope="module")
def service(shared: Service) -> Service:
    """An API and a worker, both up, for the tests of a file; at first there is nothing in it."""
    shared.start(*(name for name, each in shared.processes.items() if each.poll() is not None))
    with closing(database.connect(shared.settings.database)) as opened:
        empty(opened, shared.url)
    return shared


@pytest.fixture(scope="session")
def api(
    database_kind: str,  # noqa: ARG001 (made anew when it changes)
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Api]:
    """An API in which others may have left something."""
    with serving(tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture
def fresh(api: Api) -> Iterator[Api]:
    """The same with nothing in it, before and after: a test may make keys."""
    empty(api.database, api.service.url)
    yield api
    empty(api.database, api.service.url)


def empty(store: Database, url: str) -> None:
    """Deletes everything but the workers, which give up what they do; the API knows no key then."""
    with store.write() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            if table is not tables.workers:
                connection.execute(delete(table))
    until(lambda: httpx.get(f"{url}/jobs").is_success)
