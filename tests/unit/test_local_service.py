"""The processes of a local service: what dies is said, with its exit code, and started again."""

import logging
import signal
from pathlib import Path
from typing import Any

import pytest

from app import local
from app.local import Service, StartError
from app.settings import Settings


class Process:
    """One that has ended with this code, or lives."""

    def __init__(self, code: int | None) -> None:
        self.code = code

    def poll(self) -> int | None:
        return self.code


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Its processes only have names."""
    made: Any = Service(Settings(home=tmp_path, port=1))

    def start(*names: str) -> None:
        for name in names:
            made.processes[name] = Process(None)
            made._started_at[name] = 0.0

    monkeypatch.setattr(made, "start", start)
    made.start("app", "worker", "worker-2")
    service: Service = made
    return service


def die(service: Any, name: str) -> None:
    service.processes[name].code = -signal.SIGKILL


@pytest.mark.parametrize(("name", "called"), [("app", "the API"), ("worker-2", "worker-2")])
def test_what_has_died_is_said_and_started_again(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    called: str,
) -> None:
    monkeypatch.setattr(local, "STEADY_SECONDS", 0.0)
    service.keep_up()
    assert not caplog.records
    die(service, name)
    service.keep_up()
    assert [each.poll() for each in service.processes.values()] == [None] * 3
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"{called} ended with exit code -9; it is started again"


def test_what_dies_at_once_is_a_fault_of_the_start(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "STEADY_SECONDS", float("inf"))
    die(service, "worker")
    with pytest.raises(StartError, match="`python -m worker` ended with code -9"):
        service.keep_up()
