"""Range tests over HTTP: jobs of their own, which recommend a rate."""

from typing import Any

import pytest

from tests import runs
from tests.diagnosed import diagnosis
from tests.service.conftest import Api, problem_of
from tests.service.test_diagnosis_api import SPEC, diverge, get, retry, start


def test_a_range_test_that_is_retried_as_training_is_none(api: Api) -> None:
    first = diverge(api, start(api))
    made = api.http.post(f"/jobs/{first}/lr-range").json()["id"]
    api.http.post(f"/jobs/{made}/cancel")
    plain = retry(api, made, patch={"lr_range": None})
    assert plain["range_of"] is None
    assert get(api, f"/jobs/{first}/lr-range")["job"] == made


def test_a_range_test_is_a_job_of_its_own_and_recommends_a_rate(api: Api) -> None:
    job_id = api.submit(SPEC | {"name": "mine", "autopilot": {"max_jobs": 3}})
    problem = problem_of(api.http.get(f"/jobs/{job_id}/lr-range"), 404, "no_range_test")
    assert f"POST /jobs/{job_id}/lr-range" in problem["detail"]
    older = api.http.post(f"/jobs/{job_id}/lr-range").json()
    answer = api.http.post(f"/jobs/{job_id}/lr-range", json={"highest": 3.0, "batches": 50})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/jobs/{made['id']}"
    assert made | {"waiting": None} == get(api, f"/jobs/{made['id']}") | {"waiting": None}
    assert (made["name"], made["range_of"]) == ("lr range of mine", job_id)
    assert made["spec"]["lr_range"] == {"lowest": 1e-06, "highest": 3.0, "batches": 50}
    assert older["spec"]["lr_range"] == {"lowest": 1e-06, "highest": 10.0, "batches": 200}
    assert made["spec"]["autopilot"] is None
    kept = get(api, f"/jobs/{job_id}")["spec"]
    assert made["spec"]["training"] == kept["training"]
    assert made["chain"] == get(api, f"/jobs/{job_id}")["chain"] == []
    waiting = get(api, f"/jobs/{job_id}/lr-range")
    assert (waiting["job"], waiting["of"], waiting["status"]) == (made["id"], job_id, "queued")
    assert (waiting["highest"], waiting["recommended"], waiting["curve"]) == (3.0, None, [])
    measured = {
        "advice": "The loss still fell at the highest rate: extend the range.",
        "curve": [[1e-06, 2.3], [0.01, 1.5], [1.0, None]],
        "recommended": 0.01,
        "lowest": 1e-06,
        "highest": 3.0,
        "steepest": 0.02,
        "diverges_at": 1.0,
    }
    lease = api.start(made["id"])
    with api.database.write() as connection:
        runs.record(connection, lease, diagnosis=diagnosis(lr_range=measured))
        assert runs.succeed(connection, lease, None) == ""
    for each in (job_id, made["id"]):
        found = get(api, f"/jobs/{each}/lr-range")
        assert found == measured | {"job": made["id"], "of": job_id, "status": "succeeded"}
    told = api.http.get(f"/jobs/{made['id']}/explain").text
    assert "Learning rates were tested: a fully connected network" in told
    assert "learning rates from 1e-06 to 3.0" in told
    assert "The rate to train with: 0.01." in told
    assert "extend the range" in told
    assert "epochs" not in told
    done = get(api, f"/jobs/{made['id']}")
    assert (done["status"], done["model"]) == ("succeeded", None)
    tested_again = api.http.post(f"/jobs/{made['id']}/lr-range").json()
    assert (tested_again["name"], tested_again["range_of"]) == ("lr range of mine", job_id)
    assert get(api, f"/jobs/{job_id}/lr-range")["job"] == tested_again["id"]


def test_a_retry_of_a_range_test_is_one_of_the_same_job(api: Api) -> None:
    job_id = api.submit(SPEC)
    made = api.http.post(f"/jobs/{job_id}/lr-range").json()["id"]
    api.http.post(f"/jobs/{made}/cancel")
    again = retry(api, made)
    assert again["range_of"] == job_id
    assert get(api, f"/jobs/{job_id}/lr-range")["job"] == again["id"]
    assert get(api, f"/jobs/{made}/lr-range")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "pointer", "advice"),
    [
        ({"lowest": 0}, "/lowest", "at least"),
        ({"lowest": 1e-306}, "/lowest", "at least"),
        ({"lowest": 1.0, "highest": 0.1}, "/highest", "above lowest"),
        ({"batches": 5}, "/batches", "at least 20"),
        ({"rates": 5}, "/rates", "the fields are lowest, highest, batches"),
    ],
)
def test_a_wrong_range_names_its_field(
    api: Api, body: dict[str, Any], pointer: str, advice: str
) -> None:
    job_id = api.submit()
    before = api.rows()
    answer = api.http.post(f"/jobs/{job_id}/lr-range", json=body)
    problem = problem_of(answer, 422, "invalid_request")
    assert problem["errors"][0]["pointer"] == pointer
    assert advice in problem["errors"][0]["detail"]
    assert api.rows() == before
