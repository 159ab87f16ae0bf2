"""One attempt to post a webhook: what is sent, and what each answer means."""

import asyncio
import socket
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from app.settings import Settings
from app.store.deliveries import Delivered, Delivery, Outcome, Undelivered
from app.store.outbox import Work
from tests.receiver import SECRET, allow, receiving
from worker.deliveries import webhooks
from worker.deliveries.webhooks import Webhooks

JOB = {
    "id": "job_1",
    "name": "reference",
    "labels": {},
    "status": "succeeded",
    "attempt": 1,
    "created_at": 1_700_000_000_123_456,
    "started_at": 1_700_000_001_000_000,
    "ended_at": 1_700_000_002_000_000,
    "retry_of": None,
    "verdict": "healthy",
    "metrics": {"test_accuracy": 0.98, "test_loss": float("nan")},
    "failure": None,
    "model": "model_1",
}
DATA = {"destination": "ci", "type": "job.succeeded", "at": JOB["ended_at"], "job": JOB}
DELIVERY = Delivery("01M", Work.WEBHOOK, "job_1", DATA, 1)


def sent(file: Path | None, **settings: Any) -> Outcome:
    """What comes of an attempt."""

    async def send() -> Outcome:
        async with Webhooks(Settings(webhooks=file, **settings)) as sender:
            return await sender.send(DELIVERY)

    return asyncio.run(send())


def test_the_event_is_small_typed_and_signed(tmp_path: Path) -> None:
    with receiving() as receiver:
        file = allow(tmp_path / "hooks", ci=receiver.port)
        outcome = sent(file, public_url="https://traind.example.org/")
    assert outcome == Delivered("delivered, answered 204")
    (came,) = receiver.received
    assert came.path == "/ci"
    assert came.id == "msg_01M"
    assert came.headers["content-type"] == "application/json"
    assert came.headers["user-agent"].startswith("traind/")
    base = "https://traind.example.org"
    assert came.event == {
        "type": "job.succeeded",
        "timestamp": "2023-11-14T22:13:22.000Z",
        "data": {
            "job": JOB
            | {
                "created_at": "2023-11-14T22:13:20.123Z",
                "started_at": "2023-11-14T22:13:21.000Z",
                "ended_at": "2023-11-14T22:13:22.000Z",
                "metrics": {"test_accuracy": 0.98, "test_loss": None},
            },
            "links": {
                "job": f"{base}/jobs/job_1",
                "events": f"{base}/jobs/job_1/events",
                "model": f"{base}/models/model_1",
            },
        },
    }


def test_a_secret_is_changed_without_a_gap(tmp_path: Path) -> None:
    newer = "whsec_" + "bmV3ZXIgc2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYg=="
    with receiving() as receiver:
        file = allow(tmp_path / "hooks", ci=receiver.port)
        file.write_text(file.read_text().replace(f'"{SECRET}"', f'["{newer}", "{SECRET}"]'))
        sent(file)
        assert receiver.types == ["job.succeeded"]
        file.write_text(file.read_text().replace(f', "{SECRET}"', ""))
        sent(file)
    with pytest.raises(WebhookVerificationError):
        _ = receiver.types


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, Delivered("delivered, answered 200")),
        (302, {"Location": "/elsewhere"}, "answered 302, a redirect, which is not followed"),
        (400, {}, Undelivered("answered 400")),
        (404, {}, Undelivered("answered 404")),
        (410, {}, Undelivered("answered 410", is_final=True)),
        (429, {"Retry-After": "90"}, Undelivered("answered 429", wait_seconds=90.0)),
        (500, {"Retry-After": "later"}, Undelivered("answered 500")),
        (503, {"Retry-After": "999999"}, Undelivered("answered 503", wait_seconds=3600.0)),
    ],
    ids=lambda each: str(each) if isinstance(each, int) else "",
)
def test_each_answer_has_its_meaning(
    tmp_path: Path, status: int, headers: dict[str, str], expected: Outcome | str
) -> None:
    with receiving(answer=lambda _: (status, headers)) as receiver:
        outcome = sent(allow(tmp_path / "hooks", ci=receiver.port))
    assert outcome == (Undelivered(expected) if isinstance(expected, str) else expected)
    assert len(receiver.received) == 1


def test_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        outcome = sent(allow(tmp_path / "hooks", ci=nobody.getsockname()[1]))
    assert isinstance(outcome, Undelivered)
    assert outcome.why.startswith("no answer: ConnectError")
    assert not outcome.is_final


def test_an_answer_that_drips_ends_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "LIMIT_SECONDS", 0.5)
    left = threading.Event()

    def drip(server: socket.socket) -> None:  # each byte comes well within a limit for one read
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not left.is_set():
                try:
                    connection.sendall(b"a")
                except OSError:
                    return
                time.sleep(0.05)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        dripping = threading.Thread(target=drip, args=(server,))
        dripping.start()
        try:
            outcome = sent(allow(tmp_path / "hooks", ci=server.getsockname()[1]))
        finally:
            left.set()
            dripping.join()
    assert outcome == Undelivered("no answer within 0.5 s")


def test_a_destination_that_is_not_allowed_any_more_is_not_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving() as receiver:
        file = allow(tmp_path / "hooks", other=receiver.port)
        gone = Undelivered("TRAIND_WEBHOOKS has no such destination any more")
        assert sent(file) == gone
        assert sent(None) == gone
        file.write_text("no table")
        outcome = sent(file)
    why = "TRAIND_WEBHOOKS cannot be used; the log of the worker says why"
    assert outcome == Undelivered(why)
    assert f"TRAIND_WEBHOOKS={file}: it is no TOML" in caplog.text
    assert receiver.received == []
