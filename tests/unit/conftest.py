"""A home and its database, for the supervisors of these tests."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from app.store import database, migrations
from app.store.database import Database


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, slots=2)


@pytest.fixture
def store(settings: Settings) -> Iterator[Database]:
    opened = database.connect(settings.database)
    migrations.migrate(opened)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield opened
    for number, handler in before.items():
        signal.signal(number, handler)
    opened.close()
    shutil.rmtree(settings.home, ignore_errors=True)
