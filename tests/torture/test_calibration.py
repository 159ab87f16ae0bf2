"""A worker of a new home measures its machine while it has nothing to do. Other homes of tests come
measured (tests/calibrated.py)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.client import Client
from app.jobspec import JobSpec, cost
from app.local import Service
from tests import databases
from tests.waiting import ended, until

DIGITS: dict[str, Any] = {"dataset": {"name": "digits"}, "training": {"epochs": 1}}


@pytest.fixture
def unmeasured(tmp_path: Path) -> Iterator[Service]:
    """A service whose worker knows nothing of its machine yet."""
    settings = databases.settings(tmp_path)
    file_of(tmp_path).unlink()
    service = Service(settings, tmp_path / "log")
    try:
        service.start("app", "worker")
        yield service
    finally:
        service.stop()


def file_of(home: Path) -> Path:
    (file,) = home.glob("calibration-*.json")
    return file


def measuring(service: Service) -> list[psutil.Process]:
    """The process that measures, while there is one."""
    family = psutil.Process(service.processes["worker"].pid).children(recursive=True)
    found = []
    for process in family:
        try:
            if "worker.calibration" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.torture
def test_an_idle_worker_measures_its_machine_and_jobs_come_first(
    unmeasured: Service, tmp_path: Path
) -> None:
    with Client(unmeasured.url) as client:
        assert client.validate({})["estimated_seconds"] is None
        (process,) = until(lambda: measuring(unmeasured))
        assert ended(client, client.submit(DIGITS))["status"] == "succeeded"
        assert not process.is_running(), "it made way for the job"
        one = until(lambda: client.validate({})["estimated_seconds"])
        several = client.validate({"training": {"epochs": 20}})["estimated_seconds"]
        assert 0 < one < several
    speed = json.loads(file_of(tmp_path).read_text())
    assert min(speed.values()) >= 0
    assert {*cost.step(JobSpec()), cost.SETUP} <= set(speed)
