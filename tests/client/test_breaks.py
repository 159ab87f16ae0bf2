"""Connections that break, and services that go away: nothing is made twice, no wait is lost."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from app.local import Service
from tests.client.breaking import breaking
from traind import Client, Job, Problem


@pytest.mark.parametrize("breaks", [1, 3])
def test_a_job_is_made_once_where_the_answer_is_lost(service: Service, breaks: int) -> None:
    with breaking(service.settings.port) as proxy, Client(proxy.url) as client:
        before = len(list(client.summaries()))
        proxy.breaks = breaks
        job = client.train(preset="digits", training={"epochs": 1})
        assert proxy.broken == breaks
        assert len(list(client.summaries())) == before + 1
        retried_from = job.wait()
        proxy.breaks = breaks
        again = retried_from.retry()
        assert proxy.broken == 2 * breaks
        assert len(list(client.summaries())) == before + 2
        again.wait()


def test_what_cannot_be_repeated_is_not(service: Service) -> None:
    with breaking(service.settings.port) as proxy, Client(proxy.url) as client:
        job = client.train({"dataset": {"name": "digits"}, "training": {"epochs": 1000}})
        while job.refresh(wait=5).status == "queued":
            pass
        job.pause()
        while job.status != "paused":
            job.refresh(wait=5)
        proxy.breaks = 1
        with pytest.raises(httpx.TransportError):
            job.resume()
        assert job.refresh().status in {"queued", "running"}  # it has been heard, once
        job.cancel()


def test_an_upload_and_a_stream_go_on_where_they_broke(service: Service, tmp_path: Path) -> None:
    rows = "".join(f"{n % 61},{n},{'odd' if n % 2 else 'even'}\n" for n in range(5_000))
    (tmp_path / "numbers.csv").write_text("a,b,class\n" + rows)
    with breaking(service.settings.port) as proxy, Client(proxy.url) as client:

        def cut(sent: int, size: int) -> None:
            if sent >= size / 2 and not proxy.broken:
                proxy.breaks = 1  # the answer to this upload; all of it has arrived

        dataset = client.datasets.add(tmp_path / "numbers.csv", "numbers", on_sent=cut)
        assert dataset.content is not None
        assert dataset.content.bytes == (tmp_path / "numbers.csv").stat().st_size
        assert proxy.broken == 1
        job = client.train(preset="digits", training={"epochs": 2})
        seen = []
        for event in job.watch():
            seen.append(event)
            if len(seen) in {1, 3}:
                proxy.breaks = 1
        numbers = [event.id for event in seen if hasattr(event, "id")]
        assert numbers == list(range(1, len(job.events()) + 1))
        assert proxy.broken >= 2


def test_a_wait_outlives_the_api(service: Service) -> None:
    with Client(service.url, patience=120) as client:
        job = client.train({"dataset": {"name": "digits"}, "training": {"epochs": 100}})
        ended: list[Job] = []
        waiting = threading.Thread(target=lambda: ended.append(job.wait(progress=True)))
        waiting.start()
        service.processes["app"].kill()
        service.processes["app"].wait()
        service.start("app")
        job_again = client.job(job.id)
        assert job_again.id == job.id
        waiting.join()
        assert [each.status for each in ended] == ["succeeded"]


def test_a_service_that_is_not_there_is_said_at_once() -> None:
    with Client("http://127.0.0.1:9", patience=1e9) as client, pytest.raises(httpx.ConnectError):
        client.train()


@contextmanager
def answering(status: int, content: bytes) -> Iterator[str]:
    """The URL of a server that gives each GET this answer."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_no_traind_is_told_so() -> None:
    with (
        answering(200, b"hello") as url,
        Client(url) as client,
        pytest.raises(Problem, match="no traind service"),
    ):
        client.job("job_1")


def test_a_stream_that_a_service_cannot_give_is_told_in_its_words() -> None:
    problem = b'{"detail": "The database does not answer.", "code": "database_unavailable"}'
    with answering(503, problem) as url, Client(url, patience=0.2) as client:
        with pytest.raises(Problem, match="does not answer") as told:
            list(client._connection.messages("/jobs/job_1/events"))
        assert told.value.status == 503
