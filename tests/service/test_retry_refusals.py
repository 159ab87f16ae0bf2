"""Retries that cannot be are refused, and store nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.diagnosed import HEALTHY, diagnosis, finding
from tests.service.conftest import Api, problem_of
from tests.service.test_diagnosis_api import TOO_HIGH, diverge, get, say, start, succeed

pytestmark = pytest.mark.both_databases


def healthy(api: Api) -> str:
    lease = start(api)
    succeed(api, lease, diagnosis(HEALTHY), 0.9)
    return lease.job_id


def running(api: Api) -> str:
    lease = start(api)
    say(api, lease, diagnosis(TOO_HIGH, final=False))
    return lease.job_id


def invalid(api: Api) -> str:
    said = diagnosis(finding(suggestion={"training": {"epochs": 0}}))
    job_id = diverge(api, start(api), said)
    assert get(api, f"/jobs/{job_id}/diagnosis")["spec"] is None
    return job_id


def cancelled(api: Api) -> str:
    job_id = api.submit()
    api.http.post(f"/jobs/{job_id}/cancel")
    return job_id


def diverged(api: Api) -> str:
    return diverge(api, start(api))


NOTHING, ILLEGAL = (409, "nothing_to_apply"), (409, "illegal_move")
INVALID = (422, "invalid_request")


REFUSED: dict[str, tuple[Callable[[Api], str], dict[str, Any], tuple[int, str], str]] = {
    "healthy": (healthy, {"apply": "suggestion"}, NOTHING, "healthy"),
    "unknown": (cancelled, {"apply": "suggestion"}, NOTHING, "unknown"),
    "invalid": (invalid, {"apply": "suggestion"}, NOTHING, "/diagnosis"),
    "running": (running, {"apply": "suggestion"}, ILLEGAL, "running"),
    "checkpoint": (
        diverged,
        {"apply": "suggestion", "begin": "checkpoint"},
        INVALID,
        "/begin: must be start",
    ),
    "patched checkpoint": (
        diverged,
        {"patch": {}, "begin": "checkpoint"},
        INVALID,
        "/begin: must be start",
    ),
    "other": (
        diverged,
        {"apply": "advice"},
        INVALID,
        "/apply: must be 'suggestion'",
    ),
    "unknown field": (diverged, {"aply": 1}, INVALID, "the fields are begin, apply"),
    "no object": (diverged, {"patch": 1}, INVALID, "/patch: must be an object"),
    "value": (
        diverged,
        {"patch": {"training": {"optimizer": {"lr": -1}}}},
        INVALID,
        "/patch/training/optimizer/lr: must be above 0",
    ),
    "patched field": (
        diverged,
        {"patch": {"training": {"epoch": 1}}},
        INVALID,
        "/patch/training/epoch: is not known here; the fields are epochs, batch_size",
    ),
    "does not fit": (
        diverged,
        {"patch": {"dataset": {"validation_fraction": 0.0}, "training": {"early_stopping": {}}}},
        INVALID,
        "/patch/training/early_stopping: needs a dataset.validation_fraction",
    ),
    "with the suggestion": (
        diverged,
        {"apply": "suggestion", "patch": {"training": {"optimizer": {"name": "adam"}}}},
        INVALID,
        "/patch/training/optimizer/momentum: only sgd and rmsprop",
    ),
}


@pytest.mark.parametrize(("made", "wanted", "refusal", "advice"), REFUSED.values(), ids=REFUSED)
def test_a_retry_that_cannot_be_is_refused_and_stores_nothing(
    api: Api,
    made: Callable[[Api], str],
    wanted: dict[str, Any],
    refusal: tuple[int, str],
    advice: str,
) -> None:
    job_id = made(api)
    before = api.rows()
    answer = api.http.post(f"/jobs/{job_id}/retry", json=wanted)
    assert advice in problem_of(answer, *refusal)["detail"]
    assert api.rows() == before
