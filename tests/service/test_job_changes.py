"""What is shown of a job while it changes, waits for a change, and cancelling."""

import threading
import time
from typing import Any

from app.codes import FailureCode
from app.store import events
from app.store.events import NewEvent
from tests import runs
from tests.service.conftest import Api, banded_model, problem_of
from tests.service.test_jobs_api import LONGEST_WAIT
from tests.waiting import HANG_SECONDS


def test_progress_metrics_failure_and_model_are_shown(api: Api) -> None:
    job_id = api.submit()
    lease = api.start(job_id)
    progress = {
        "epoch": 2, "epochs": 10, "step": 20_000, "steps": 135_000,
        "samples_per_second": 9000.0, "eta_seconds": 51.1,
    }  # fmt: skip
    latest = {"train_loss": 0.3, "validation_loss": float("nan")}
    with api.database.write() as connection:
        runs.record(connection, lease, progress=progress, metrics=latest)
    job = api.http.get(f"/jobs/{job_id}").json()
    assert job["status"] == "running"
    assert job["progress"] == progress | {"percent": 14.81}
    assert job["metrics"] == {"train_loss": 0.3, "validation_loss": None}
    assert job["first_step_at"] >= job["started_at"] >= job["created_at"]
    with api.database.write() as connection:
        runs.fail(connection, lease, code=FailureCode.DIVERGED, message="m", advice="a")
    job = api.http.get(f"/jobs/{job_id}").json()
    assert job["failure"] == {"code": "diverged", "message": "m", "advice": "a"}
    model = api.http.get(f"/models/{api.publish()}").json()
    assert api.http.get(f"/jobs/{model['job']}").json()["model"] == model["id"]


def later(action: Any, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_wait_answers_at_the_change_of_state_and_not_before(api: Api) -> None:
    job_id = api.submit()

    def log() -> None:
        with api.database.write() as connection:
            events.append(connection, job_id, [NewEvent("log", "no change of state")])

    began = time.monotonic()
    timers = [later(log, 0.2), later(lambda: api.start(job_id), 0.6)]
    job = api.http.get(
        f"/jobs/{job_id}", params={"wait": LONGEST_WAIT}, timeout=HANG_SECONDS
    ).json()
    took = time.monotonic() - began
    for timer in timers:
        timer.join()
    assert job["status"] == "running"
    assert 0.6 <= took < LONGEST_WAIT


def test_wait_ends_after_its_seconds_and_at_once_for_an_ended_job(api: Api) -> None:
    job_id = api.submit()
    began = time.monotonic()
    assert api.http.get(f"/jobs/{job_id}?wait=0.4").json()["status"] == "queued"
    assert time.monotonic() - began >= 0.4
    api.http.post(f"/jobs/{job_id}/cancel")
    began = time.monotonic()
    assert api.http.get(f"/jobs/{job_id}?wait={LONGEST_WAIT}").json()["status"] == "cancelled"
    assert time.monotonic() - began < LONGEST_WAIT


def test_cancel_may_be_repeated_but_an_ended_job_stays(api: Api) -> None:
    waiting, running = api.submit(), api.submit()
    lease = api.start(running)
    for _ in range(2):
        answer = api.http.post(f"/jobs/{waiting}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        answer = api.http.post(f"/jobs/{running}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "running")
        assert answer.json()["cancel_requested"]
    with api.database.write() as connection:
        runs.succeed(connection, lease, banded_model())
    problem_of(api.http.post(f"/jobs/{running}/cancel"), 409, "illegal_move")
    assert api.http.get(f"/jobs/{running}").json()["status"] == "succeeded"
