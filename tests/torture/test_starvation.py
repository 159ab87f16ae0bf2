"""The API answers in time while a run takes all the memory that it may."""

import threading
import time
from pathlib import Path

import pytest

from app.client import Client
from app.local import running
from tests import databases
from tests.service.test_failures import TOO_LARGE
from tests.torture.test_sockets import quantile
from tests.waiting import ended

ANSWERED_WITHIN = 0.25
"""Seconds, at the 99th percentile: docs/reliability.md promises it."""


def test_a_run_that_needs_too_much_memory_slows_no_answer(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not request.config.option.torture:
        pytest.skip("a time on an idle machine: make torture")
    times: list[float] = []
    over = threading.Event()

    def ask(url: str) -> None:
        with Client(url) as client:
            while not over.is_set():
                began = time.monotonic()
                client.jobs()
                times.append(time.monotonic() - began)
                time.sleep(0.005)

    settings = databases.settings(tmp_path, run_memory_mb=100)
    with running(settings) as service, Client(service.url) as client:
        asking = threading.Thread(target=ask, args=(service.url,))
        asking.start()
        job = ended(client, client.submit(TOO_LARGE))
        over.set()
        asking.join()
    assert job["failure"]["code"] == "out_of_memory", job
    assert quantile(times, 0.99) < ANSWERED_WITHIN
