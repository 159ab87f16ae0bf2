"""A fresh, migrated database for each store test: a copy of one that was migrated once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store import database, migrations
from app.store.database import Database


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database of the newest schema, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "traind.db"
    opened = database.connect(f"sqlite:///{file}")
    migrations.migrate(opened)
    opened.close()
    return file


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'traind.db'}"


@pytest.fixture
def store(migrated: Path, tmp_path: Path, url: str) -> Iterator[Database]:
    shutil.copy(migrated, tmp_path)
    opened = database.connect(url)
    yield opened
    opened.close()
