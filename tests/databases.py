"""Where the services of tests have their databases: in their homes' SQLite files, or on a server.

    pytest tests/service --database postgresql

has every service of a test share a PostgreSQL server, with a database for each home. Files marked
`both_databases` run on both by default. What only a SQLite file has is marked `sqlite`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.settings import Settings
from app.store import database, migrations
from tests.calibrated import calibrated
from tests.postgresql import Server

KINDS = ("sqlite", "postgresql")


class Databases:
    """The databases of homes on a server; without a server, each home has its SQLite file."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self._template = ""
        self._names: dict[Path, str] = {}

    def url(self, home: Path) -> str:
        """The address that TRAIND_DATABASE_URL has for a home: empty for its SQLite file."""
        if self.server is None:
            return ""
        if home not in self._names:
            self._names[home] = self.server.make(self._migrated(self.server))
        return self.server.url(self._names[home])

    def empty(self, home: Path) -> str:
        """As `url`, and the database has no tables yet."""
        if self.server is not None:
            self._names[home] = self.server.make()
        return self.url(home)

    def drop(self) -> None:
        """Drops what was made since the server is used."""
        if self.server is not None:
            for name in self._names.values():
                self.server.drop(name)
        self._names.clear()

    def _migrated(self, server: Server) -> str:
        if not self._template:
            self._template = server.make()
            opened = database.connect(server.url(self._template))
            migrations.migrate(opened)
            opened.close()
        return self._template


_databases = Databases()


def settings(home: Path, **given: Any) -> Settings:
    """The settings of a service on any free port, with its database where `--database` says."""
    url = _databases.url(home)
    return Settings(home=calibrated(home), database_url=url, **{"port": 0} | given)


def variables(home: Path) -> dict[str, str]:
    """The environment variables by which a command finds the same home and database."""
    url = _databases.url(home)
    return {"TRAIND_HOME": str(home)} | ({"TRAIND_DATABASE_URL": url} if url else {})


def address(home: Path, *, empty: bool = False) -> str:
    """The address of a home's database, for this process or another; `empty` is without tables."""
    url = _databases.empty(home) if empty else _databases.url(home)
    return url or f"sqlite:///{home / 'traind.db'}"


def rows(home: Path, query: str) -> list[Any]:
    """What a query in SQL finds in a home's database."""
    opened = database.connect(address(home))
    try:
        with opened.read() as connection:
            return list(connection.execute(text(query)))
    finally:
        opened.close()


@pytest.fixture(scope="session", autouse=True)
def database_kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """`sqlite` or `postgresql`, for every service that is started until it changes."""
    chosen: str = getattr(request, "param", request.config.option.database)
    if chosen == "postgresql":
        _databases.server = request.getfixturevalue("postgresql")
    yield chosen
    _databases.drop()
    _databases.server = None


def add_option(parser: pytest.Parser) -> None:
    """`--database`."""
    parser.addoption(
        "--database", choices=KINDS, default="sqlite", help="on which the services of tests run"
    )


def choose(metafunc: pytest.Metafunc) -> None:
    """Has the tests of a file that is marked `both_databases` run on both."""
    if metafunc.definition.get_closest_marker("both_databases"):
        chosen = metafunc.config.option.database
        is_sqlites = metafunc.definition.get_closest_marker("sqlite")
        kinds = (chosen,) if chosen != "sqlite" or is_sqlites else KINDS
        metafunc.parametrize("database_kind", kinds, indirect=True, scope="session")


def skip_others(items: list[pytest.Item], kind: str) -> None:
    """Skips what is marked `sqlite`, where the services of tests run on a server.

    Tests of the store have a database of each kind in any case (store/conftest.py).
    """
    for item in items:
        marker = item.get_closest_marker("sqlite")
        if marker and kind != "sqlite" and "dialect" not in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=marker.kwargs.get("reason", "SQLite's alone")))
