"""When processes that send deliveries are started."""

from pathlib import Path
from typing import Any

import pytest

from app import lifeline
from app.settings import Settings
from app.store import database, migrations, outbox
from app.store.outbox import Work
from tests.waiting import until
from worker import delivery_processes
from worker.delivery_processes import DeliveryProcesses


class Failed:
    """A process that has ended at once."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def poll(self) -> int:
        return 1


def test_after_its_rest_a_kind_is_tried_again_though_nobody_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(lifeline, "Process", lambda *_, **__: started.append(1) or Failed())
    monkeypatch.setattr(outbox, "due", lambda _: {Work.WEBHOOK})
    monkeypatch.setattr(delivery_processes, "REST_SECONDS", 0.01)
    opened = database.connect(tmp_path / "traind.db")
    migrations.migrate(opened)
    processes = DeliveryProcesses(Settings(home=tmp_path), opened)

    def tried() -> bool:
        processes.start_due()
        return len(started) > 2

    until(tried)
    opened.close()
