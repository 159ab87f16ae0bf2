"""An API that has no file descriptor left for a connection."""

from pathlib import Path

import psutil

from app.local import Service
from tests import databases
from tests.waiting import until


def test_an_api_without_a_descriptor_says_so_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    service = Service(databases.settings(tmp_path / "home"), log)
    service.start("app")
    try:
        process = psutil.Process(service.processes["app"].pid)
        _, hard = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (3, hard))
        until(lambda: "LimitNOFILE" in log.read_text())
    finally:
        service.stop()
