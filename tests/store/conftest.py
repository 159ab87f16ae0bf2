"""A fresh, migrated database for each store test, on SQLite and on PostgreSQL.

Each is a copy of one that was migrated once. A test of what SQLite alone does, its file, its
PRAGMAs or its doorbell, is marked `sqlite`, one of what a server does `postgresql`.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store import database, migrations
from app.store.database import Database
from tests.postgresql import Server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dialect" not in metafunc.fixturenames:
        return
    kinds = ["sqlite", "postgresql"]
    marked = [kind for kind in kinds if metafunc.definition.get_closest_marker(kind)]
    kinds = marked or kinds
    metafunc.parametrize("dialect", kinds, indirect=True)


@pytest.fixture
def dialect(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgresql`: a test that asks for a database runs on both."""
    return str(request.param)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database of the newest schema, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "traind.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def template(postgresql: Server) -> str:
    """The name of a database of the newest schema, to be copied."""
    name = postgresql.make()
    migrate(postgresql.url(name))
    return name


def migrate(url: str) -> None:
    opened = database.connect(url)
    migrations.migrate(opened)
    opened.close()


@pytest.fixture
def url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database without a schema."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'traind.db'}"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.make()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def migrated_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database of the newest schema."""
    if dialect == "sqlite":
        shutil.copy(request.getfixturevalue("migrated"), tmp_path)
        yield f"sqlite:///{tmp_path / 'traind.db'}"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.make(request.getfixturevalue("template"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def store(migrated_url: str) -> Iterator[Database]:
    """A database of the newest schema, open."""
    opened = database.connect(migrated_url)
    yield opened
    opened.close()
