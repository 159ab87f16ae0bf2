"""A run's process that stops in the middle of a message does not stop its supervisor."""

import os
import signal
import struct
import time
from multiprocessing.connection import Connection

import pytest

from tests.waiting import HANG_SECONDS
from worker.engines import local
from worker.messages import Order

LARGE = bytes(4_000_000)
"""More than the pipe's buffers hold."""


def stop_while_sending(connection: Connection) -> None:
    connection.recv_bytes()
    os.write(connection.fileno(), struct.pack("!i", len(LARGE)) + b"half of it")
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_before_reading(_: Connection) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@pytest.mark.parametrize("process", [stop_while_sending, stop_before_reading])
def test_a_process_that_stops_within_a_message_is_ended(
    monkeypatch: pytest.MonkeyPatch, process: object
) -> None:
    monkeypatch.setattr(local, "STALL_SECONDS", 1)
    monkeypatch.setattr(local, "_train", process)
    order = Order(spec={}, datasets_home="", datasets_source=None, checkpoint=LARGE)
    run = local.LocalEngine().start(order)
    deadline = time.monotonic() + HANG_SECONDS
    while run.death() is None and time.monotonic() < deadline:
        assert run.reports() == []
        time.sleep(0.01)
    assert run.death() == "the training process was killed by SIGKILL"
    run.close()
