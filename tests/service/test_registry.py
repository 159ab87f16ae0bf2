"""The registry: filters, aliases with their history, descriptions, deletion."""

from typing import Any

import httpx
import numpy as np
import pytest

from app.store import tables
from tests import runs
from tests.service.conftest import Api, band, banded_model, problem_of, serving
from tests.waiting import until

pytestmark = pytest.mark.both_databases


def publish(
    api: Api,
    accuracy: float = 0.9,
    shift: int = 0,
    measured: dict[str, float] | None = None,
    **spec: Any,
) -> str:
    model = banded_model(shift)
    model.metrics.update(test_accuracy=accuracy, test_loss=1 - accuracy, **(measured or {}))
    lease = api.start(api.submit(spec))
    with api.database.write() as connection:
        return runs.succeed(connection, lease, model)


def ids(api: Api, query: str) -> list[str]:
    """Through every page."""
    found: list[str] = []
    after = ""
    while True:
        page = api.http.get(f"/models?limit=2{after or query}").json()
        found += [model["id"] for model in page["data"]]
        if page["next"] is None:
            return found
        after = f"{query.partition('&after=')[0]}&after={page['next']}"


def test_models_are_filtered_and_sorted_through_every_page(fresh: Api) -> None:
    digits = {"dataset": {"name": "digits"}, "labels": {"team": "vision"}}
    a = publish(fresh, 0.91)
    b = publish(fresh, 0.97, **digits)
    c = publish(fresh, 0.91, **digits)
    d = publish(fresh, 0.95)
    job = fresh.http.get(f"/models/{b}").json()["job"]
    assert ids(fresh, "") == [d, c, b, a]
    assert ids(fresh, "&sort=oldest") == [a, b, c, d]
    assert ids(fresh, "&sort=accuracy") == [b, d, c, a]
    assert ids(fresh, "&sort=loss") == [b, d, c, a]
    assert ids(fresh, "&dataset=digits") == [c, b]
    assert ids(fresh, "&label=team:vision&sort=accuracy") == [b, c]
    assert ids(fresh, "&min_accuracy=0.95") == [d, b]
    assert ids(fresh, f"&job={job}") == [b]
    assert ids(fresh, "&dataset=mnist&min_accuracy=0.96") == []


@pytest.mark.parametrize(
    ("sort", "order"),
    [("roc_auc", "bdac"), ("balanced_accuracy", "dbac"), ("log_loss", "bdac")],
)
def test_models_are_sorted_by_any_measure_and_those_without_it_come_last(
    fresh: Api, sort: str, order: str
) -> None:
    of = {
        "a": {"test_roc_auc": 0.0, "test_balanced_accuracy": 0.5, "test_log_loss": 3.0},
        "b": {"test_roc_auc": 0.9, "test_balanced_accuracy": 0.6, "test_log_loss": 0.1},
        "c": {},
        "d": {"test_roc_auc": 0.8, "test_balanced_accuracy": 0.7, "test_log_loss": 0.2},
    }
    made = {name: publish(fresh, measured=measured) for name, measured in of.items()}
    assert ids(fresh, f"&sort={sort}") == [made[name] for name in order]


@pytest.mark.parametrize("query", ["sort=best", "min_accuracy=1.1", "min_accuracy=nan", "label=x"])
def test_a_filter_that_means_nothing_is_refused_by_name(fresh: Api, query: str) -> None:
    document = problem_of(fresh.http.get(f"/models?{query}"), 422, "invalid_request")
    assert document["errors"][0]["parameter"] == query.partition("=")[0]


def promote(api: Api, model: str, alias: str = "production") -> httpx.Response:
    return api.http.put(f"/models/aliases/{alias}", json={"model": model})


def answers(api: Api, **fields: Any) -> int:
    """The class of band 0, which is the shift of the model that answers."""
    answer = api.http.post("/predict", json={"inputs": [band(0)], **fields})
    return int(answer.json()["predictions"][0]["index"])


def test_a_promotion_names_what_was_there_and_is_rolled_back_in_one_call(fresh: Api) -> None:
    first, second = publish(fresh, shift=1), publish(fresh, shift=2)
    assert answers(fresh) == 2
    promoted = promote(fresh, first).json()
    assert (promoted["model"], promoted["previous"]) == (first, None)
    assert answers(fresh) == 1  # production goes before latest
    assert answers(fresh, model="latest") == 2
    promoted = promote(fresh, "latest").json()
    assert (promoted["model"], promoted["previous"]) == (second, first)
    assert answers(fresh) == 2
    back = fresh.http.post("/models/aliases/production/rollback").json()
    assert (back["model"], back["previous"]) == (first, second)
    assert answers(fresh) == 1
    assert [each["model"] for each in back["history"]] == [first, second, first]
    assert fresh.http.get("/models/production").json()["aliases"] == ["production"]
    again = fresh.http.post("/models/aliases/production/rollback").json()
    assert again["model"] == second


def test_promoting_the_same_model_again_changes_nothing(fresh: Api) -> None:
    first, second = publish(fresh), publish(fresh)
    promote(fresh, first)
    once = promote(fresh, second).json()
    assert promote(fresh, second).json() == once


def test_an_alias_that_is_removed_leaves_its_history(fresh: Api) -> None:
    model = publish(fresh, shift=3)
    promote(fresh, model, "canary")
    assert answers(fresh, model="canary") == 3
    listed = fresh.http.get("/models/aliases").json()["data"]
    assert [alias["name"] for alias in listed] == ["canary", "latest"]
    assert fresh.http.delete("/models/aliases/canary").status_code == 204
    answer = fresh.http.post("/predict", json={"inputs": [band(0)], "model": "canary"})
    problem_of(answer, 404, "model_not_found")
    problem_of(fresh.http.get("/models/aliases/canary"), 404, "alias_not_found")
    problem_of(fresh.http.delete("/models/aliases/canary"), 404, "alias_not_found")
    newer = publish(fresh)
    assert promote(fresh, newer, "canary").json()["previous"] == model


def test_latest_is_kept_by_the_service(fresh: Api) -> None:
    model = publish(fresh)
    problem_of(promote(fresh, model, "latest"), 409, "alias_kept")
    problem_of(fresh.http.delete("/models/aliases/latest"), 409, "alias_kept")
    problem_of(fresh.http.post("/models/aliases/latest/rollback"), 409, "alias_kept")


def test_there_must_be_something_to_promote_and_to_roll_back_to(fresh: Api) -> None:
    problem_of(promote(fresh, "model_x"), 404, "model_not_found")
    problem_of(fresh.http.get("/models/aliases/production"), 404, "alias_not_found")
    model = publish(fresh)
    promote(fresh, model)
    document = problem_of(
        fresh.http.post("/models/aliases/production/rollback"), 409, "nothing_to_roll_back"
    )
    assert "production" in document["detail"]


@pytest.mark.parametrize("name", ["model_x", "compare", "aliases", "Prod", "a b", "-a", "a" * 65])
def test_names_that_would_hide_something_are_refused(fresh: Api, name: str) -> None:
    model = publish(fresh)
    problem_of(promote(fresh, model, name), 422, "invalid_request")
    assert fresh.http.get(f"/models/{model}").json()["aliases"] == ["latest"]


def test_a_model_is_named_and_described_and_nothing_else_changes(fresh: Api) -> None:
    model = publish(fresh)
    before = fresh.http.get(f"/models/{model}").json()
    changed = fresh.http.patch("/models/latest", json={"description": "For *review*."}).json()
    assert changed == before | {"description": "For *review*."}
    named = fresh.http.patch(f"/models/{model}", json={"name": "tidy"}).json()
    assert named == changed | {"name": "tidy"}
    for body in ({"spec": {}}, {"name": ""}, {"name": 3}, {"name": "\0"}):
        problem_of(fresh.http.patch(f"/models/{model}", json=body), 422, "invalid_request")
    problem_of(fresh.http.patch("/models/nobody", json={}), 404, "model_not_found")
    assert fresh.http.get(f"/models/{model}").json() == named


def test_only_a_model_without_a_name_is_deleted(fresh: Api) -> None:
    first, second, third = (publish(fresh, shift=shift) for shift in range(3))
    promote(fresh, second)
    assert answers(fresh, model=first) == 0
    document = problem_of(fresh.http.delete(f"/models/{second}"), 409, "model_in_use")
    assert "production" in document["detail"]
    problem_of(fresh.http.delete(f"/models/{third}"), 409, "model_in_use")
    assert fresh.http.delete(f"/models/{first}").status_code == 204
    problem_of(fresh.http.delete(f"/models/{first}"), 404, "model_not_found")
    answer = fresh.http.post("/predict", json={"inputs": [band(0)], "model": first})
    problem_of(answer, 404, "model_not_found")
    assert ids(fresh, "") == [third, second]
    job = fresh.http.get("/jobs").json()["data"][-1]
    assert (job["status"], job["model"]) == ("succeeded", None)


def test_a_rollback_passes_over_models_that_were_deleted(fresh: Api) -> None:
    first, second, third = (publish(fresh) for _ in range(3))
    for model in (first, second, third):
        promote(fresh, model)
    fresh.http.delete(f"/models/{second}")
    back = fresh.http.post("/models/aliases/production/rollback").json()
    assert back["model"] == first


def test_a_model_says_what_is_stored_of_it(fresh: Api) -> None:
    model = fresh.http.get(f"/models/{publish(fresh)}").json()
    for kind in ("weights", "onnx"):
        answer = fresh.http.get(f"/models/latest/{kind}")
        assert model["files"][kind]["bytes"] == len(answer.content)
        assert f'"{model["files"][kind]["sha256"]}"' == answer.headers["etag"]


def test_many_processes_see_a_promotion_at_once(fresh: Api) -> None:
    first, second = publish(fresh, shift=1), publish(fresh, shift=2)
    with serving(fresh.home) as other:
        random = np.random.default_rng(0)
        for target in random.permutation([first, second] * 10):
            promote(fresh, str(target))
            expected = 1 if target == first else 2
            assert answers(fresh) == expected
            if fresh.database.path is None:  # a server tells the others a moment later
                until(lambda expected=expected: answers(other) == expected)
            assert answers(other) == expected


@pytest.mark.parametrize("sort", ["newest", "oldest", "accuracy", "loss"])
def test_a_list_goes_on_behind_a_model_that_was_deleted(fresh: Api, sort: str) -> None:
    for accuracy in (0.91, 0.97, 0.91, 0.95, 0.99):
        publish(fresh, accuracy)
    listed = ids(fresh, f"&sort={sort}")
    page = fresh.http.get(f"/models?limit=2&sort={sort}").json()
    last = page["data"][-1]["id"]
    with fresh.database.write() as connection:  # latest may name it
        connection.execute(tables.aliases.delete())
    assert fresh.http.delete(f"/models/{last}").status_code == 204
    assert ids(fresh, f"&sort={sort}&after={page['next']}") == listed[2:]


def test_a_cursor_of_another_list_is_refused(fresh: Api) -> None:
    model = publish(fresh)
    for query in ("after=job_1", f"sort=accuracy&after={model}", "sort=loss&after=nan:model_1"):
        document = problem_of(fresh.http.get(f"/models?{query}"), 422, "invalid_request")
        assert document["errors"][0]["parameter"] == "after"


def test_aliases_are_listed_in_pages_also_behind_one_that_was_removed(fresh: Api) -> None:
    first, second = publish(fresh), publish(fresh)
    names = ["a", "b", "c", "d"]
    for name in names:
        promote(fresh, first, name)
        promote(fresh, second, name)
    page = fresh.http.get("/models/aliases?limit=2").json()
    assert [alias["name"] for alias in page["data"]] == ["a", "b"]
    for alias in page["data"]:
        assert alias == fresh.http.get(f"/models/aliases/{alias['name']}").json()
        assert alias["previous"] == first
        assert [each["model"] for each in alias["history"]] == [second, first]
    fresh.http.delete("/models/aliases/b")
    rest = fresh.http.get(f"/models/aliases?limit=3&after={page['next']}").json()
    assert [alias["name"] for alias in rest["data"]] == ["c", "d", "latest"]
    assert rest["next"] is None


def test_previous_is_where_a_rollback_leads(fresh: Api) -> None:
    first, second, third = (publish(fresh) for _ in range(3))
    for model in (first, second, third):
        promote(fresh, model)
    fresh.http.delete(f"/models/{second}")
    assert fresh.http.get("/models/aliases/production").json()["previous"] == first
    fresh.http.post("/models/aliases/production/rollback")
    assert fresh.http.get("/models/aliases/production").json()["previous"] == third


def test_a_rollback_that_is_sent_again_with_its_key_happens_once(fresh: Api) -> None:
    first, second = publish(fresh), publish(fresh)
    promote(fresh, first)
    promote(fresh, second)
    key = {"Idempotency-Key": "back"}
    for _ in range(2):
        back = fresh.http.post("/models/aliases/production/rollback", headers=key).json()
        assert (back["model"], back["previous"]) == (first, second)
    elsewhere = fresh.http.post("/models/aliases/other/rollback", headers=key)
    problem_of(elsewhere, 422, "idempotency_conflict")
