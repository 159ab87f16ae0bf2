"""Jobs in short, and the stream over all of them."""

import json
from collections.abc import Iterator
from typing import Any

from httpx_sse import EventSource, connect_sse

from tests import runs
from tests.service.conftest import Api, problem_of


def test_a_summary_is_the_job_without_its_specification(fresh: Api) -> None:
    fresh.publish()
    (summary,) = fresh.http.get("/jobs/summaries").json()["data"]
    job = fresh.http.get(f"/jobs/{summary['id']}").json()
    spec = job["spec"]
    assert summary["dataset"] == spec["dataset"]["name"] == "mnist"
    assert summary["network"] == spec["model"]["kind"] == "mlp"
    others = summary.keys() - {"dataset", "network"}
    assert {name: summary[name] for name in others} == {name: job[name] for name in others}
    assert summary["model"]


def test_summaries_are_filtered_and_paged(fresh: Api) -> None:
    digits = {"dataset": {"name": "digits"}}
    first = fresh.submit({"name": "Red 100%"})
    second = fresh.submit({"name": "blue_", "labels": {"team": "a"}, **digits})
    third = fresh.submit({"name": "red", **digits})

    def found(**query: Any) -> list[str]:
        answer = fresh.http.get("/jobs/summaries", params=query)
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
    listed = fresh.http.get("/jobs", params={"dataset": "digits", "limit": 1}).json()
    (older,) = fresh.http.get(
        "/jobs", params={"dataset": "digits", "after": listed["next"]}
    ).json()["data"]
    assert [listed["data"][0]["id"], older["id"]] == [third, second]
    assert found(dataset=f"{'x' * 63}@{'9' * 20}") == []
    assert found(status="running") == []
    test = fresh.http.post(f"/jobs/{first}/lr-range", json={}).json()["id"]
    assert found(range_of=first) == [test]
    page = fresh.http.get("/jobs/summaries", params={"limit": 2}).json()
    rest = fresh.http.get("/jobs/summaries", params={"limit": 2, "after": page["next"]}).json()
    assert [job["id"] for job in page["data"] + rest["data"]] == [test, third, second, first]
    problem_of(fresh.http.get("/jobs/summaries?limit=1001"), 422, "invalid_request")


def told(events: Iterator[Any], job_id: str, **wanted: Any) -> dict[str, Any]:
    """The next message about a job that has these values; what comes before is passed over."""
    for event in events:
        if event.event != "job":
            continue
        job: dict[str, Any] = json.loads(event.data)
        if job["id"] == job_id and wanted.items() <= job.items():
            return job
    raise AssertionError("the stream has ended")


def test_the_stream_tells_of_every_job_that_changes(fresh: Api) -> None:
    old = fresh.submit({"name": "was there"})
    with connect_sse(fresh.http, "GET", "/jobs/changes") as source:
        assert isinstance(source, EventSource)
        events = source.iter_sse()
        assert told(events, old)["status"] == "queued"
        new = fresh.submit({"name": "comes"})
        told(events, new, status="queued")
        lease = fresh.start(new)
        told(events, new, status="running")
        with fresh.database.write() as connection:
            runs.fail(connection, lease)
        assert told(events, new, status="failed")["failure"]
        fresh.http.post(f"/jobs/{old}/cancel")
        told(events, old, status="cancelled")


def test_an_old_job_that_waits_is_followed_like_a_new_one(fresh: Api) -> None:
    first = fresh.submit({})
    for _ in range(3):
        fresh.http.post(f"/jobs/{fresh.submit({})}/cancel")
    with connect_sse(fresh.http, "GET", "/jobs/changes") as source:
        events = source.iter_sse()
        assert told(events, first)["status"] == "queued"
        fresh.http.post(f"/jobs/{first}/pause")
        told(events, first, status="paused")


def test_the_overview_counts_and_says_what_to_try_first(fresh: Api) -> None:
    fresh.submit({})
    shown = fresh.http.get("/overview").json()
    assert shown["jobs"]["queued"] == 1
    assert shown["jobs"]["failed"] == 0
    assert shown["worker_alive"] is False
    assert shown["free_bytes"] > 0
    assert shown["reference"] == "digits"
    raw = fresh.home / "datasets" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    assert fresh.http.get("/overview").json()["reference"] == "mnist"
    raw.rmdir()


def test_the_schema_is_the_one_that_jobs_are_read_by(fresh: Api) -> None:
    schema = fresh.http.get("/presets/schema").json()
    assert schema["properties"]["training"]["$ref"] == "#/$defs/Training"
    assert schema["$defs"]["Training"]["properties"]["epochs"]["maximum"] == 10000
