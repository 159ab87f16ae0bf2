"""Workers over HTTP and in a terminal, where the test plays the workers."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.store import workers
from app.store.leases import Lease
from tests import runs
from tests.service.commands import rows, traind
from tests.service.conftest import Api, problem_of
from tests.service.test_telemetry import of, scraped

GPU = {"requires": {"zone": "b"}, "resources": {"device": "cuda"}, "dataset": {"name": "digits"}}


@pytest.fixture
def fleet(api: Api) -> Iterator[Api]:
    """An API with two workers, gpu1 in zone b and cpu1, and nothing to do."""
    for job in api.http.get("/jobs", params={"status": "queued", "limit": 100}).json()["data"]:
        api.http.post(f"/jobs/{job['id']}/cancel")
    with api.database.write() as connection:
        gpu: dict[str, Any] = {"device": "cuda", "device_name": "H100", "labels": {"zone": "b"}}
        runs.register(connection, "wrk_7", name="gpu1", slots=2, **gpu)
        runs.register(connection, "wrk_8", name="cpu1")
    yield api
    with api.database.write() as connection:
        for worker in ("wrk_7", "wrk_8"):
            workers.leave(connection, worker)


def claim(api: Api, worker: str) -> Lease:
    with api.database.write() as connection:
        lease = runs.claim(connection, worker)
    assert lease is not None
    return lease


def test_workers_are_listed_a_page_at_a_time_and_found_by_name(fleet: Api) -> None:
    first = fleet.http.get("/workers", params={"limit": 1}).json()
    assert [each["name"] for each in first["data"]] == ["gpu1"]
    second = fleet.http.get("/workers", params={"limit": 1, "after": first["next"]}).json()
    assert ([each["name"] for each in second["data"]], second["next"]) == (["cpu1"], None)
    problem_of(fleet.http.get("/workers", params={"after": "job_1"}), 422, "invalid_request")
    gpu = fleet.http.get("/workers/gpu1").json()
    assert gpu == fleet.http.get("/workers/wrk_7").json()
    assert (gpu["device_name"], gpu["labels"], gpu["jobs"]) == ("H100", {"zone": "b"}, [])
    problem_of(fleet.http.get("/workers/nobody"), 404, "worker_not_found")


def test_a_worker_is_drained_and_put_back_into_service(fleet: Api) -> None:
    job = fleet.submit(GPU)
    lease = claim(fleet, "wrk_7")
    assert fleet.http.get(f"/jobs/{job}").json()["worker"] == "wrk_7"
    drained = fleet.http.post("/workers/gpu1/drain", json={"reason": "a new disk"}).json()
    assert (drained["status"], drained["jobs"]) == ("draining", [job])
    assert drained["drain"]["reason"] == "a new disk"
    assert fleet.http.post("/workers/gpu1/drain").json()["drain"] == drained["drain"]
    for sent, expected in (
        ({"requeue": True}, ("a new disk", True)),
        ({"reason": "a new GPU"}, ("a new GPU", True)),
        ({"reason": "", "requeue": False}, ("", False)),
    ):
        again = fleet.http.post("/workers/gpu1/drain", json=sent).json()["drain"]
        assert (again["reason"], again["requeue"]) == expected
        assert again["since"] == drained["drain"]["since"]
    with fleet.database.write() as connection:
        runs.fail(connection, lease)
    assert fleet.http.get("/workers/gpu1").json()["status"] == "drained"
    assert fleet.http.post("/workers/gpu1/resume").json()["status"] == "ready"
    refused = fleet.http.post("/workers/gpu1/drain", json={"requeue": "yes", "why": 1})
    pointers = {each["pointer"] for each in problem_of(refused, 422, "invalid_request")["errors"]}
    assert pointers == {"/requeue", "/why"}


def test_an_answer_says_why_a_job_waits(fleet: Api) -> None:
    resources = {"threads": 64, "memory_mb": 100_000}
    made = fleet.http.post("/jobs", json={"resources": resources, "priority": 3}).json()
    assert made["waiting"]["reason"] == "unsatisfiable"
    assert "100000 MB of memory for a run" in made["waiting"]["message"]
    after = fleet.http.post("/jobs", json={"priority": 2}).json()
    assert (after["waiting"]["reason"], after["waiting"]["ahead"]) == ("starting", 1)
    assert fleet.http.get(f"/jobs/{after['id']}").json()["waiting"] == after["waiting"]
    cancelled = fleet.http.post(f"/jobs/{made['id']}/cancel").json()
    assert cancelled["waiting"] is None


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"requires": {"zone b": "x"}}, "/requires/zone b"),
        ({"requires": {"zone": "a,b"}}, "/requires/zone"),
        ({"requires": {f"k{number}": "v" for number in range(9)}}, "/requires"),
        ({"priority": 101}, "/priority"),
        ({"priority": 1.5}, "/priority"),
        ({"resources": {"memory_mb": 1}}, "/resources/memory_mb"),
    ],
)
def test_what_cannot_be_required_is_refused(api: Api, spec: dict[str, Any], pointer: str) -> None:
    before = api.rows()
    (wrong,) = problem_of(api.http.post("/jobs", json=spec), 422, "invalid_request")["errors"]
    assert wrong["pointer"] == pointer
    assert api.rows() == before


def test_series_of_a_worker_go_with_it(fleet: Api) -> None:
    fleet.submit(GPU)
    lease = claim(fleet, "wrk_7")
    fleet.http.post("/workers/cpu1/drain")
    found = scraped(fleet)
    assert of(found, "traind_worker_slots", worker="gpu1") == 2
    assert of(found, "traind_worker_jobs", worker="gpu1") == 1
    assert of(found, "traind_worker_draining", worker="cpu1") == 1
    with fleet.database.write() as connection:
        runs.fail(connection, lease)
        workers.leave(connection, "wrk_7")
    assert 'worker="gpu1"' not in fleet.http.get("/metrics").text


def test_the_command_lists_drains_and_resumes(fleet: Api) -> None:
    job = fleet.submit(GPU)
    claim(fleet, "wrk_7")
    listed = rows(fleet, "workers")
    assert [each[0] for each in listed] == ["cpu1", "gpu1"]
    assert listed[1][1:3] == ["ready", "1/2"]
    assert listed[1][5:8] == ["H100", "zone=b", job]
    told = traind(fleet, "workers", "drain", "cpu1", "gpu1", "--reason", "a new disk")
    assert told.splitlines() == ["cpu1 is drained", f"gpu1 is draining, 1 left: {job}"]
    traind(fleet, "workers", "drain", "cpu1")
    assert rows(fleet, "workers")[0][1] == "drained (a new disk)"
    assert traind(fleet, "workers", "resume", "gpu1", "cpu1").splitlines()[1] == "cpu1 is ready"
    with fleet.database.write() as connection:
        runs.fail(connection, Lease(job, 1))


def test_submit_warns_where_nobody_can_take_the_job(fleet: Api) -> None:
    told = traind(
        fleet, "submit", "--preset", "digits", "--set", "requires.zone=c", "--no-watch"
    )  # fmt: skip
    assert "No living worker has zone=c" in told
    shown = traind(fleet, "show", told.split()[0])
    assert "No living worker has zone=c" in shown
