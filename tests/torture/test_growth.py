"""The database over thousands of jobs, and copies of it while it is written to."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select

from app.store import database, jobs, migrations, retention
from app.store.database import Database
from app.store.events import NewEvent
from app.store.metrics import Point
from app.store.retention import Policy
from app.store.tables import model_files
from app.store.trained_models import TrainedModel
from tests import runs
from tests.store.test_leases import SPEC

MB = 1e6

pytestmark = pytest.mark.sqlite(reason="sizes and backups of a SQLite file")


def one_job(store: Database, model: bytes) -> None:
    """Submitted, trained and ended, with a log of a hundred lines."""
    with store.write() as connection:
        jobs.submit(connection, SPEC)
        lease = runs.claim(connection, "host/1")
        assert lease is not None
        data = {"epoch": 1, "batch": 1, "loss": 1.0}
        runs.record(
            connection,
            lease,
            events=[NewEvent("log", f"[1, {line:5d}] loss: 1.000", data) for line in range(100)],
            points=[Point("running_loss", step, 1, 1.0) for step in range(100)],
            checkpoint=(100, model),
        )
        trained = TrainedModel({}, {"test_accuracy": 0.9}, {}, "0" * 64, {"weights": model})
        runs.succeed(connection, lease, trained)


@pytest.mark.timeout(1800)
def test_ten_thousand_jobs_do_not_fill_the_disk(
    tmp_path: Path, repeated: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    count, file = repeated(10_000, 50), tmp_path / "traind.db"
    store = database.connect(f"sqlite:///{file}")
    migrations.migrate(store)
    policy = Policy(jobs=count // 10, checkpoints=count // 100)
    sizes = []
    for number in range(1, count + 1):
        one_job(store, os.urandom(50_000))
        if number % 10 == 0:
            with store.write() as connection:
                retention.prune(connection, policy)
        if number % (count // 10) == 0:
            sizes.append(file.stat().st_size / MB)
    store.close()
    with capsys.disabled():
        shown = ", ".join(f"{size:.1f}" for size in sizes)
        print(f"\n{count} jobs of 50 kB models, {policy.jobs} kept: {shown} MB at each tenth")
    per_job = (sizes[-1] - sizes[1]) * MB / (count * 0.8)
    assert per_job < 4000, per_job  # the record: the row with its spec and its transitions


def test_a_backup_under_load_restores_every_digest(
    tmp_path: Path, repeated: Callable[[int], int]
) -> None:
    home = tmp_path / "home"
    store = database.connect(f"sqlite:///{home / 'traind.db'}")
    migrations.migrate(store)
    over = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not over.is_set():
            one_job(store, os.urandom(200_000))
            written += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for number in range(repeated(20)):
            before = written
            copy = tmp_path / f"copy{number}.db"
            traind = [str(Path(sys.executable).with_name("traind")), "backup", str(copy)]
            environment = os.environ | {"TRAIND_HOME": str(home)}
            subprocess.run(traind, env=environment, check=True, capture_output=True)
            assert models_in(copy) >= before
    finally:
        over.set()
        writing.join()
        store.close()
    assert written > 10


def models_in(file: Path) -> int:
    """How many models a restored copy has; each must have the digest that it says."""
    restored = database.connect(f"sqlite:///{file}")
    migrations.migrate(restored)
    with restored.read() as connection:
        rows = connection.execute(select(model_files.c.content, model_files.c.sha256)).all()
    restored.close()
    assert all(sha256(row.content).hexdigest() == row.sha256 for row in rows)
    return len(rows)
