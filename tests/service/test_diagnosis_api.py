"""Diagnoses, corrected retries, chains and range tests over HTTP; the tests play the worker."""

import json
from typing import Any

import pytest

from app.codes import FailureCode, FindingCode
from app.store import leases
from app.store.leases import Lease
from tests import runs
from tests.diagnosed import HEALTHY, LOWER, diagnosis, finding
from tests.service.conftest import Api, banded_model, problem_of
from worker import follow_ups, relay
from worker.messages import Diagnosed

SPEC = {"dataset": {"name": "digits"}, "training": {"optimizer": {"lr": 100.0}}}
TOO_HIGH = finding()


def start(api: Api, **fields: Any) -> Lease:
    return api.start(api.submit(SPEC | fields))


def say(api: Api, lease: Lease, said: dict[str, Any], **others: Any) -> None:
    with api.database.write() as connection:
        runs.record(connection, lease, diagnosis=said, **others)


def succeed(api: Api, lease: Lease, said: dict[str, Any], accuracy: float) -> None:
    with api.database.write() as connection:
        latest = {"validation_accuracy": accuracy}
        runs.record(connection, lease, diagnosis=said, metrics=latest)
        runs.succeed(connection, lease, banded_model())


def diverge(api: Api, lease: Lease, said: dict[str, Any] | None = None) -> str:
    with api.database.write() as connection:
        runs.record(connection, lease, diagnosis=said or diagnosis(TOO_HIGH))
        runs.fail(connection, lease, code=FailureCode.DIVERGED, message="m", advice="a")
    return lease.job_id


def follow_up(api: Api) -> None:
    """Does what follows from the ends so far, as a worker does."""
    while follow_ups.work_off(api.database):
        pass


def get(api: Api, path: str) -> dict[str, Any]:
    answer = api.http.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def retry(api: Api, job_id: str, **wanted: Any) -> dict[str, Any]:
    answer = api.http.post(f"/jobs/{job_id}/retry", json=wanted)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert get(api, f"/jobs/{job['id']}") == job
    return job


def test_nothing_is_known_of_a_run_that_has_said_nothing(api: Api) -> None:
    waiting = api.submit()
    found = get(api, f"/jobs/{waiting}/diagnosis")
    assert (found["job"], found["verdict"], found["final"]) == (waiting, "unknown", False)
    assert found["findings"] == []
    assert found["suggestion"] is found["spec"] is None
    off = api.submit({"diagnosis": False})
    assert get(api, f"/jobs/{off}/diagnosis")["verdict"] == "off"
    assert get(api, f"/jobs/{off}")["verdict"] == "off"
    off = api.start(off)  # a worker's claim leaves it so
    assert get(api, f"/jobs/{off.job_id}")["verdict"] == "off"


def test_the_diagnosis_grows_while_the_job_runs(api: Api) -> None:
    lease = start(api)
    dead = finding("dead_relus", "warning", symptom_of="learning_rate_too_high")
    say(api, lease, diagnosis(dead, final=False))
    assert get(api, f"/jobs/{lease.job_id}/diagnosis")["verdict"] == "dead_relus"
    said = diagnosis(TOO_HIGH, dead, final=False)
    say(api, lease, said)
    found = get(api, f"/jobs/{lease.job_id}/diagnosis")
    assert {name: found[name] for name in said} == said
    assert found["verdict"] == "learning_rate_too_high"
    assert found["spec"]["training"]["optimizer"]["lr"] == 0.01
    assert found["spec"]["dataset"]["name"] == "digits"
    assert api.http.post("/jobs/validate", json=found["spec"]).status_code == 200
    assert get(api, f"/jobs/{lease.job_id}")["verdict"] == "learning_rate_too_high"


def test_a_new_attempt_begins_without_the_findings_of_the_lost_one(api: Api) -> None:
    job_id = api.submit(SPEC)
    with api.database.write() as connection:
        while (lease := runs.claim(connection, "wrk_1")) and lease.job_id != job_id:
            runs.cancel(connection, lease)
        assert lease is not None
        runs.record(connection, lease, diagnosis=diagnosis(TOO_HIGH), checkpoint=(1, b"c"))
        runs.requeue(connection, lease)
        assert runs.claim(connection, "wrk_1") is not None
    found = get(api, f"/jobs/{job_id}/diagnosis")
    assert (found["verdict"], found["findings"], found["final"]) == ("unknown", [], False)


def test_numbers_that_are_not_finite_are_null(api: Api) -> None:
    lease = start(api)
    evidence = {"name": "loss", "value": float("nan"), "threshold": float("inf")}
    evidence |= {"comparison": "above", "meaning": "nats"}
    series = {"gradient norm, layer 1": [[1, float("inf")], [2, 3.5]]}
    say(api, lease, diagnosis(finding("non_finite", evidence=[evidence]), series=series))
    found = get(api, f"/jobs/{lease.job_id}/diagnosis")
    assert found["findings"][0]["evidence"][0] == evidence | {"value": None, "threshold": None}
    assert found["series"] == {"gradient norm, layer 1": [[1, None], [2, 3.5]]}


@pytest.mark.parametrize("code", FindingCode)
def test_every_finding_of_the_closed_list_can_be_shown(api: Api, code: FindingCode) -> None:
    lease = start(api)
    say(api, lease, diagnosis(finding(code.value)))
    assert get(api, f"/jobs/{lease.job_id}/diagnosis")["findings"][0]["code"] == code


def test_a_finding_is_an_event_for_those_who_follow(api: Api) -> None:
    lease = start(api)
    with api.database.write() as connection:
        written = relay.update([Diagnosed(diagnosis(TOO_HIGH, final=False), [TOO_HIGH])])
        leases.record(connection, lease, written)
    events = get(api, f"/jobs/{lease.job_id}/events")["data"]
    (found,) = [event for event in events if event["kind"] == "finding"]
    assert found["message"].startswith("learning rate too high (critical): Each step overshoots")
    assert found["data"]["evidence"][0]["threshold"] == 2.0


def test_a_retry_applies_the_suggestion_and_both_jobs_are_linked(api: Api) -> None:
    first = diverge(api, start(api, name="mine", labels={"team": "vision"}))
    suggested = get(api, f"/jobs/{first}/diagnosis")["spec"]
    again = retry(api, first, apply="suggestion")
    assert again["spec"] == suggested
    assert (again["name"], again["labels"]) == ("mine", {"team": "vision"})
    assert (again["retry_of"], again["applied"]) == (first, LOWER)
    succeed(api, api.start(again["id"]), diagnosis(HEALTHY), 0.8)
    third = retry(api, again["id"], apply=None, patch={"training": {"epochs": 2}})
    succeed(api, api.start(third["id"]), diagnosis(HEALTHY), 0.7)
    fourth = retry(api, first)
    for each in (first, again["id"], third["id"], fourth["id"]):
        chain = get(api, f"/jobs/{each}")["chain"]
        assert [link["id"] for link in chain] == [first, again["id"], third["id"], fourth["id"]]
    assert [link["applied"] for link in chain] == [None, LOWER, {"training": {"epochs": 2}}, None]
    verdicts = ["learning_rate_too_high", "healthy", "healthy", "unknown"]
    assert [link["verdict"] for link in chain] == verdicts
    assert [link["validation_accuracy"] for link in chain] == [None, 0.8, 0.7, None]
    assert [link["test_accuracy"] for link in chain] == [None, 0.9, 0.9, None]
    assert [link["is_best"] for link in chain] == [False, True, False, False]
    assert [link["status"] for link in chain] == ["failed", "succeeded", "succeeded", "queued"]
    assert get(api, f"/models/{chain[1]['model']}")["job"] == again["id"]
    assert all(job["chain"] == [] for job in get(api, "/jobs?limit=4")["data"])
    alone = api.submit()
    assert get(api, f"/jobs/{alone}")["chain"] == []


def test_a_patch_comes_after_the_suggestion_and_the_preset_refills_nothing(api: Api) -> None:
    lease = api.start(api.submit({"preset": "digits"}))
    said = diagnosis(finding(suggestion={"training": {"optimizer": {"lr": 0.01}, "epochs": 3}}))
    first = diverge(api, lease, said)
    patch = {"training": {"epochs": 5, "schedule": None}}
    again = retry(api, first, apply="suggestion", patch=patch)
    training = again["spec"]["training"]
    assert (training["optimizer"]["lr"], training["epochs"]) == (0.01, 5)
    assert training["schedule"] is None
    assert training["batch_size"] == 16
    assert again["spec"]["preset"] is None
    assert again["applied"] == {
        "training": {"optimizer": {"lr": 0.01}, "epochs": 5, "schedule": None}
    }
    assert retry(api, first)["spec"]["preset"] == "digits"


def test_what_autopilot_and_a_range_test_are_stays_in_a_retry(api: Api) -> None:
    for name, value in (("autopilot", {"max_jobs": 1}), ("lr_range", {"batches": 50})):
        first = diverge(api, start(api, **{name: value}))
        for again in (retry(api, first), retry(api, first, apply="suggestion")):
            assert again["spec"][name].items() >= value.items()
        assert retry(api, first, patch={name: None})["spec"][name] is None


def test_what_a_patch_says_in_vain_is_not_kept(api: Api) -> None:
    first = diverge(api, start(api))
    vain = {"model": {"\ud800": None}, "x" * 10_000: None, "training": {"epochs": 3}}
    answer = api.http.post(
        f"/jobs/{first}/retry",
        content=json.dumps({"patch": vain}),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["applied"] == {"training": {"epochs": 3}}
    for path in (f"/jobs/{first}", "/jobs", f"/jobs/{first}/explain"):
        assert api.http.get(path).status_code == 200


def test_autopilot_goes_on_to_a_healthy_run_and_names_the_best_model(api: Api) -> None:
    lease = start(api, autopilot={"max_jobs": 3})
    first = diverge(api, lease)
    follow_up(api)
    (_, follower) = get(api, f"/jobs/{first}")["chain"]
    assert follower["status"] == "queued"
    assert follower["applied"] == LOWER
    succeed(api, api.start(follower["id"]), diagnosis(HEALTHY), 0.9)
    follow_up(api)
    best = get(api, f"/models/best-{first}")
    assert best["job"] == follower["id"]
    for job_id, said in ((first, f"{follower['id']} corrects it"), (follower["id"], "healthy")):
        events = get(api, f"/jobs/{job_id}/events")["data"]
        assert said in [each["message"] for each in events if each["kind"] == "autopilot"][-1]
    assert api.http.delete(f"/models/aliases/best-{first}").status_code == 204


@pytest.mark.parametrize("path", ["diagnosis", "lr-range"])
def test_of_a_job_that_is_not_there_nothing_is_known(api: Api, path: str) -> None:
    problem_of(api.http.get(f"/jobs/job_none/{path}"), 404, "job_not_found")
    problem_of(api.http.post("/jobs/job_none/lr-range"), 404, "job_not_found")
