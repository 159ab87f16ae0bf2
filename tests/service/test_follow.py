"""Following a job: events as JSON and as a stream, and the curves."""

import csv
import io
import json
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from httpx_sse import ServerSentEvent, connect_sse
from sqlalchemy import delete

from app.api.events import PAUSE_SECONDS
from app.client import Client
from app.store import events, tables
from app.store.events import NewEvent
from app.store.metrics import Point
from tests import runs
from tests.service.conftest import Api, banded_model, problem_of
from tests.waiting import until


def progress(step: int) -> dict[str, Any]:
    return {
        "epoch": 1, "epochs": 1, "step": step, "steps": 100,
        "samples_per_second": 1.0, "eta_seconds": 1.0,
    }  # fmt: skip


def stream(api: Api, job_id: str, last: str | None = None) -> Iterator[ServerSentEvent]:
    """Every message until the service ends the stream."""
    headers = {"Last-Event-ID": last} if last else {}
    url = f"/jobs/{job_id}/events"
    with (
        httpx.Client(base_url=api.service.url, timeout=20) as client,
        connect_sse(client, "GET", url, headers=headers) as source,
    ):
        assert source.response.headers["content-type"].startswith("text/event-stream")
        yield from source.iter_sse()


def finished_job(api: Api, lines: int = 5) -> str:
    lease = api.start(api.submit())
    happened = [NewEvent("log", f"line {number}") for number in range(lines)]
    with api.database.write() as connection:
        runs.record(connection, lease, progress=progress(100), events=happened)
        runs.succeed(connection, lease, banded_model())
    return lease.job_id


def test_events_are_numbered_and_paged(api: Api) -> None:
    job_id = finished_job(api)
    whole = api.http.get(f"/jobs/{job_id}/events").json()
    assert [event["id"] for event in whole["data"]] == [1, 2, 3, 4, 5, 6, 7]
    assert whole["data"][0]["kind"] == "state"
    assert whole["data"][1]["message"] == "line 0"
    assert whole["data"][-1]["data"]["status"] == "succeeded"
    assert whole["next"] is None
    page = api.http.get(f"/jobs/{job_id}/events?limit=3&after=2").json()
    assert [event["id"] for event in page["data"]] == [3, 4, 5]
    assert page["next"] == "5"


def test_a_stream_tells_what_happens_and_ends_with_the_job(api: Api) -> None:
    job_id = api.submit()

    def work() -> None:
        lease = api.start(job_id)
        for number in range(1, 11):
            happened = [NewEvent("log", f"line\n{number}")]
            with api.database.write() as connection:
                runs.record(connection, lease, progress=progress(number), events=happened)
            time.sleep(0.05)
        for _ in range(2):  # events alone repeat no progress
            time.sleep(0.35)
            with api.database.write() as connection:
                runs.record(connection, lease, events=[NewEvent("log", "line")])
        with api.database.write() as connection:
            runs.record(connection, lease, progress=progress(100), metrics={"train_loss": 0.5})
            runs.succeed(connection, lease, banded_model())

    began = time.monotonic()
    worker = threading.Thread(target=work)
    worker.start()
    messages = list(stream(api, job_id))
    worker.join()
    numbered = [message for message in messages if message.event != "progress"]
    assert [message.id for message in numbered] == [str(number) for number in range(1, 15)]
    assert [message.event for message in numbered] == ["state", *["log"] * 12, "state"]
    assert numbered[3].json()["message"] == "line\n3"
    listed = api.http.get(f"/jobs/{job_id}/events").json()["data"]
    assert [message.json() for message in numbered] == listed
    live = [json.loads(message.data) for message in messages if message.event == "progress"]
    steps = [each["progress"]["step"] for each in live]
    assert steps == sorted(set(steps))
    assert live[-1] == {
        "progress": progress(100) | {"percent": 100.0, "eta_seconds": 0.0},
        "metrics": {"train_loss": 0.5, "test_loss": 0.1, "test_accuracy": 0.9},
    }
    assert len(live) <= 2 + (time.monotonic() - began) / PAUSE_SECONDS


def test_a_stream_is_taken_up_again_behind_the_last_event(api: Api) -> None:
    job_id = finished_job(api, lines=1200)
    first = [message.id for message in stream(api, job_id) if message.event != "progress"]
    assert first == [str(number) for number in range(1, 1203)]
    rest = [message.id for message in stream(api, job_id, "1199") if message.event != "progress"]
    assert rest == ["1200", "1201", "1202"]


def test_a_stream_that_was_read_to_its_end_answers_204_so_that_browsers_stop_asking(
    api: Api,
) -> None:
    job_id = finished_job(api)
    headers = {"Accept": "text/event-stream"}
    (*_, last) = [message.id for message in stream(api, job_id) if message.id]
    again = api.http.get(f"/jobs/{job_id}/events", headers=headers | {"Last-Event-ID": last})
    assert again.status_code == 204
    assert not again.content
    before = str(int(last) - 1)
    assert [message.id for message in stream(api, job_id, before) if message.event == "state"] == [
        last
    ]
    running = api.submit()
    with api.http.stream(
        "GET", f"/jobs/{running}/events", headers=headers | {"Last-Event-ID": "1"}
    ) as waiting:
        assert waiting.status_code == 200  # more will come
    with api.database.write() as connection:  # as for a job that ended long ago
        connection.execute(delete(tables.events).where(tables.events.c.job_id == job_id))
    with Client(api.service.url) as client:
        assert list(client.watch(job_id)) == []


@pytest.mark.parametrize("last", ["x", "-1", str(2**63), "nan"])
def test_a_wrong_last_event_id_is_refused(api: Api, last: str) -> None:
    answer = api.http.get(f"/jobs/{api.submit()}/events", headers={"Last-Event-ID": last})
    assert problem_of(answer, 422, "invalid_request")["errors"][0]["header"] == "last-event-id"


def test_an_unknown_job_has_no_stream(api: Api) -> None:
    headers = {"Accept": "text/event-stream"}
    problem_of(api.http.get("/jobs/job_x/events", headers=headers), 404, "job_not_found")


def test_many_streams_and_waits_hold_no_threads_and_dropped_ones_leave_nothing(api: Api) -> None:
    process = psutil.Process(api.service.processes["app"].pid)
    api.http.get("/healthz")
    before = len(process.net_connections())  # one of them may be a client's that is just leaving
    job_id = api.submit()
    headers = {"Accept": "text/event-stream"}
    trusted = ssl.create_default_context()  # once: each client would read all certificates
    clients = [httpx.Client(base_url=api.service.url, verify=trusted) for _ in range(100)]
    responses = []
    for client in clients:
        request = client.build_request("GET", f"/jobs/{job_id}/events", headers=headers)
        responses.append(client.send(request, stream=True))
    assert len(process.net_connections()) > 100
    assert api.http.get("/readyz").status_code == 200
    for response, client in zip(responses, clients, strict=True):
        response.close()
        client.close()
    until(lambda: len(process.net_connections()) <= before)
    with api.database.write() as connection:
        events.append(connection, job_id, [NewEvent("log", "nobody listens")])


def test_the_curves_as_pages_and_as_csv(api: Api) -> None:
    lease = api.start(api.submit())
    made = [
        Point(name, step, 1, step / 7) for name in ("a", "running:loss") for step in range(1, 6)
    ]
    with api.database.write() as connection:
        runs.record(connection, lease, points=made)
    url = f"/jobs/{lease.job_id}/metrics"
    found: list[Any] = []
    after = {}
    while True:
        page = api.http.get(url, params={"limit": 4, **after}).json()
        found += page["data"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == [vars(point) for point in made]
    for answer in (
        api.http.get(url, headers={"Accept": "text/csv"}),
        api.http.get(url, params={"format": "csv"}),
    ):
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [float(row["value"]) for row in rows] == [point.value for point in made]
        assert list(rows[0]) == ["name", "step", "epoch", "value"]
    problem_of(api.http.get(url, params={"after": "x"}), 422, "invalid_request")
    problem_of(api.http.get(url, params={"format": "xml"}), 422, "invalid_request")
