"""Jobs in short, and the stream over all of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx_sse import EventSource, connect_sse

from tests import runs
from tests.service.conftest import Api, problem_of, serving


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Api]:
    """An API of the test's own: it sees no other test's jobs."""
    with serving(tmp_path) as api:
        yield api


def test_a_summary_is_the_job_without_its_specification(own: Api) -> None:
    own.publish()
    (summary,) = own.http.get("/jobs/summaries").json()["data"]
    job = own.http.get(f"/jobs/{summary['id']}").json()
    spec = job["spec"]
    assert summary["dataset"] == spec["dataset"]["name"] == "mnist"
    assert summary["network"] == spec["model"]["kind"] == "mlp"
    others = summary.keys() - {"dataset", "network"}
    assert {name: summary[name] for name in others} == {name: job[name] for name in others}
    assert summary["model"]


def test_summaries_are_filtered_and_paged(own: Api) -> None:
    digits = {"dataset": {"name": "digits"}}
    first = own.submit({"name": "Red 100%"})
    second = own.submit({"name": "blue_", "labels": {"team": "a"}, **digits})
    third = own.submit({"name": "red", **digits})

    def found(**query: Any) -> list[str]:
        answer = own.http.get("/jobs/summaries", params=query)
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["data"]]

    assert found() == [third, second, first]
    assert found(text="RED") == [third, first]
    assert found(text="0%") == [first]
    assert found(text="_") == [third, second, first]  # of the ids
    assert found(text="e_") == [second]
    assert found(text=third[-8:]) == [third]
    assert found(dataset="digits") == [third, second]
    assert found(dataset="digits", label="team:a") == [second]
    assert found(status="running") == []
    test = own.http.post(f"/jobs/{first}/lr-range", json={}).json()["id"]
    assert found(range_of=first) == [test]
    page = own.http.get("/jobs/summaries", params={"limit": 2}).json()
    rest = own.http.get("/jobs/summaries", params={"limit": 2, "after": page["next"]}).json()
    assert [job["id"] for job in page["data"] + rest["data"]] == [test, third, second, first]
    problem_of(own.http.get("/jobs/summaries?limit=1001"), 422, "invalid_request")


def told(events: Iterator[Any], job_id: str, **wanted: Any) -> dict[str, Any]:
    """The next message about a job that has these values; what comes before is passed over."""
    for event in events:
        if event.event != "job":
            continue
        job: dict[str, Any] = json.loads(event.data)
        if job["id"] == job_id and wanted.items() <= job.items():
            return job
    raise AssertionError("the stream has ended")


def test_the_stream_tells_of_every_job_that_changes(own: Api) -> None:
    old = own.submit({"name": "was there"})
    with connect_sse(own.http, "GET", "/jobs/changes") as source:
        assert isinstance(source, EventSource)
        events = source.iter_sse()
        assert told(events, old)["status"] == "queued"
        new = own.submit({"name": "comes"})
        told(events, new, status="queued")
        lease = own.start(new)
        told(events, new, status="running")
        with own.database.write() as connection:
            runs.fail(connection, lease)
        assert told(events, new, status="failed")["failure"]
        own.http.post(f"/jobs/{old}/cancel")
        told(events, old, status="cancelled")


def test_an_old_job_that_waits_is_followed_like_a_new_one(own: Api) -> None:
    first = own.submit({})
    for _ in range(3):
        own.http.post(f"/jobs/{own.submit({})}/cancel")
    with connect_sse(own.http, "GET", "/jobs/changes") as source:
        events = source.iter_sse()
        assert told(events, first)["status"] == "queued"
        own.http.post(f"/jobs/{first}/pause")
        told(events, first, status="paused")


def test_the_overview_counts_and_says_what_to_try_first(own: Api) -> None:
    own.submit({})
    shown = own.http.get("/overview").json()
    assert shown["jobs"]["queued"] == 1
    assert shown["jobs"]["failed"] == 0
    assert shown["worker_alive"] is False
    assert shown["free_bytes"] > 0
    assert shown["reference"] == "digits"
    (own.home / "datasets" / "MNIST" / "raw").mkdir(parents=True)
    assert own.http.get("/overview").json()["reference"] == "mnist"


def test_the_schema_is_the_one_that_jobs_are_read_by(own: Api) -> None:
    schema = own.http.get("/presets/schema").json()
    assert schema["properties"]["training"]["$ref"] == "#/$defs/Training"
    assert schema["$defs"]["Training"]["properties"]["epochs"]["maximum"] == 10000
