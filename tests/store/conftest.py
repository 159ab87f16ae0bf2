"""A fresh, migrated database for each store test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store import database, migrations
from app.store.database import Database


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'traind.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Database]:
    opened = database.connect(url)
    migrations.migrate(opened)
    yield opened
    opened.close()
