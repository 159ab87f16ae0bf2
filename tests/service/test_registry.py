"""The registry: filters, aliases with their history, descriptions, deletion."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from app.store import tables
from tests import runs
from tests.service.conftest import Api, band, banded_model, problem_of, serving
from tests.waiting import until

pytestmark = pytest.mark.both_databases


@pytest.fixture(scope="module")
def started(
    database_kind: str,  # noqa: ARG001 (made anew when it changes)
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("registry")) as api:
        yield api


@pytest.fixture
def registry(started: Api) -> Api:
    """An API with no models."""
    with started.database.write() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
    return started


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


def test_models_are_filtered_and_sorted_through_every_page(registry: Api) -> None:
    digits = {"dataset": {"name": "digits"}, "labels": {"team": "vision"}}
    a = publish(registry, 0.91)
    b = publish(registry, 0.97, **digits)
    c = publish(registry, 0.91, **digits)
    d = publish(registry, 0.95)
    job = registry.http.get(f"/models/{b}").json()["job"]
    assert ids(registry, "") == [d, c, b, a]
    assert ids(registry, "&sort=oldest") == [a, b, c, d]
    assert ids(registry, "&sort=accuracy") == [b, d, c, a]
    assert ids(registry, "&sort=loss") == [b, d, c, a]
    assert ids(registry, "&dataset=digits") == [c, b]
    assert ids(registry, "&label=team:vision&sort=accuracy") == [b, c]
    assert ids(registry, "&min_accuracy=0.95") == [d, b]
    assert ids(registry, f"&job={job}") == [b]
    assert ids(registry, "&dataset=mnist&min_accuracy=0.96") == []


@pytest.mark.parametrize(
    ("sort", "order"),
    [("roc_auc", "bdac"), ("balanced_accuracy", "dbac"), ("log_loss", "bdac")],
)
def test_models_are_sorted_by_any_measure_and_those_without_it_come_last(
    registry: Api, sort: str, order: str
) -> None:
    of = {
        "a": {"test_roc_auc": 0.0, "test_balanced_accuracy": 0.5, "test_log_loss": 3.0},
        "b": {"test_roc_auc": 0.9, "test_balanced_accuracy": 0.6, "test_log_loss": 0.1},
        "c": {},
        "d": {"test_roc_auc": 0.8, "test_balanced_accuracy": 0.7, "test_log_loss": 0.2},
    }
    made = {name: publish(registry, measured=measured) for name, measured in of.items()}
    assert ids(registry, f"&sort={sort}") == [made[name] for name in order]


@pytest.mark.parametrize("query", ["sort=best", "min_accuracy=1.1", "min_accuracy=nan", "label=x"])
def test_a_filter_that_means_nothing_is_refused_by_name(registry: Api, query: str) -> None:
    document = problem_of(registry.http.get(f"/models?{query}"), 422, "invalid_request")
    assert document["errors"][0]["parameter"] == query.partition("=")[0]


def promote(api: Api, model: str, alias: str = "production") -> httpx.Response:
    return api.http.put(f"/models/aliases/{alias}", json={"model": model})


def answers(api: Api, **fields: Any) -> int:
    """The class of band 0, which is the shift of the model that answers."""
    answer = api.http.post("/predict", json={"inputs": [band(0)], **fields})
    return int(answer.json()["predictions"][0]["index"])


def test_a_promotion_names_what_was_there_and_is_rolled_back_in_one_call(registry: Api) -> None:
    first, second = publish(registry, shift=1), publish(registry, shift=2)
    assert answers(registry) == 2
    promoted = promote(registry, first).json()
    assert (promoted["model"], promoted["previous"]) == (first, None)
    assert answers(registry) == 1  # production goes before latest
    assert answers(registry, model="latest") == 2
    promoted = promote(registry, "latest").json()
    assert (promoted["model"], promoted["previous"]) == (second, first)
    assert answers(registry) == 2
    back = registry.http.post("/models/aliases/production/rollback").json()
    assert (back["model"], back["previous"]) == (first, second)
    assert answers(registry) == 1
    assert [each["model"] for each in back["history"]] == [first, second, first]
    assert registry.http.get("/models/production").json()["aliases"] == ["production"]
    again = registry.http.post("/models/aliases/production/rollback").json()
    assert again["model"] == second


def test_promoting_the_same_model_again_changes_nothing(registry: Api) -> None:
    first, second = publish(registry), publish(registry)
    promote(registry, first)
    once = promote(registry, second).json()
    assert promote(registry, second).json() == once


def test_an_alias_that_is_removed_leaves_its_history(registry: Api) -> None:
    model = publish(registry, shift=3)
    promote(registry, model, "canary")
    assert answers(registry, model="canary") == 3
    listed = registry.http.get("/models/aliases").json()["data"]
    assert [alias["name"] for alias in listed] == ["canary", "latest"]
    assert registry.http.delete("/models/aliases/canary").status_code == 204
    answer = registry.http.post("/predict", json={"inputs": [band(0)], "model": "canary"})
    problem_of(answer, 404, "model_not_found")
    problem_of(registry.http.get("/models/aliases/canary"), 404, "alias_not_found")
    problem_of(registry.http.delete("/models/aliases/canary"), 404, "alias_not_found")
    newer = publish(registry)
    assert promote(registry, newer, "canary").json()["previous"] == model


def test_latest_is_kept_by_the_service(registry: Api) -> None:
    model = publish(registry)
    problem_of(promote(registry, model, "latest"), 409, "alias_kept")
    problem_of(registry.http.delete("/models/aliases/latest"), 409, "alias_kept")
    problem_of(registry.http.post("/models/aliases/latest/rollback"), 409, "alias_kept")


def test_there_must_be_something_to_promote_and_to_roll_back_to(registry: Api) -> None:
    problem_of(promote(registry, "model_x"), 404, "model_not_found")
    problem_of(registry.http.get("/models/aliases/production"), 404, "alias_not_found")
    model = publish(registry)
    promote(registry, model)
    document = problem_of(
        registry.http.post("/models/aliases/production/rollback"), 409, "nothing_to_roll_back"
    )
    assert "production" in document["detail"]


@pytest.mark.parametrize("name", ["model_x", "compare", "aliases", "Prod", "a b", "-a", "a" * 65])
def test_names_that_would_hide_something_are_refused(registry: Api, name: str) -> None:
    model = publish(registry)
    problem_of(promote(registry, model, name), 422, "invalid_request")
    assert registry.http.get(f"/models/{model}").json()["aliases"] == ["latest"]


def test_a_model_is_named_and_described_and_nothing_else_changes(registry: Api) -> None:
    model = publish(registry)
    before = registry.http.get(f"/models/{model}").json()
    changed = registry.http.patch("/models/latest", json={"description": "For *review*."}).json()
    assert changed == before | {"description": "For *review*."}
    named = registry.http.patch(f"/models/{model}", json={"name": "tidy"}).json()
    assert named == changed | {"name": "tidy"}
    for body in ({"spec": {}}, {"name": ""}, {"name": 3}, {"name": "\0"}):
        problem_of(registry.http.patch(f"/models/{model}", json=body), 422, "invalid_request")
    problem_of(registry.http.patch("/models/nobody", json={}), 404, "model_not_found")
    assert registry.http.get(f"/models/{model}").json() == named


def test_only_a_model_without_a_name_is_deleted(registry: Api) -> None:
    first, second, third = (publish(registry, shift=shift) for shift in range(3))
    promote(registry, second)
    assert answers(registry, model=first) == 0
    document = problem_of(registry.http.delete(f"/models/{second}"), 409, "model_in_use")
    assert "production" in document["detail"]
    problem_of(registry.http.delete(f"/models/{third}"), 409, "model_in_use")
    assert registry.http.delete(f"/models/{first}").status_code == 204
    problem_of(registry.http.delete(f"/models/{first}"), 404, "model_not_found")
    answer = registry.http.post("/predict", json={"inputs": [band(0)], "model": first})
    problem_of(answer, 404, "model_not_found")
    assert ids(registry, "") == [third, second]
    job = registry.http.get("/jobs").json()["data"][-1]
    assert (job["status"], job["model"]) == ("succeeded", None)


def test_a_rollback_passes_over_models_that_were_deleted(registry: Api) -> None:
    first, second, third = (publish(registry) for _ in range(3))
    for model in (first, second, third):
        promote(registry, model)
    registry.http.delete(f"/models/{second}")
    back = registry.http.post("/models/aliases/production/rollback").json()
    assert back["model"] == first


def test_a_model_says_what_is_stored_of_it(registry: Api) -> None:
    model = registry.http.get(f"/models/{publish(registry)}").json()
    for kind in ("weights", "onnx"):
        answer = registry.http.get(f"/models/latest/{kind}")
        assert model["files"][kind]["bytes"] == len(answer.content)
        assert f'"{model["files"][kind]["sha256"]}"' == answer.headers["etag"]


def test_many_processes_see_a_promotion_at_once(registry: Api) -> None:
    first, second = publish(registry, shift=1), publish(registry, shift=2)
    with serving(registry.home) as other:
        random = np.random.default_rng(0)
        for target in random.permutation([first, second] * 10):
            promote(registry, str(target))
            expected = 1 if target == first else 2
            assert answers(registry) == expected
            if registry.database.path is None:  # a server tells the others a moment later
                until(lambda expected=expected: answers(other) == expected)
            assert answers(other) == expected


@pytest.mark.parametrize("sort", ["newest", "oldest", "accuracy", "loss"])
def test_a_list_goes_on_behind_a_model_that_was_deleted(registry: Api, sort: str) -> None:
    for accuracy in (0.91, 0.97, 0.91, 0.95, 0.99):
        publish(registry, accuracy)
    listed = ids(registry, f"&sort={sort}")
    page = registry.http.get(f"/models?limit=2&sort={sort}").json()
    last = page["data"][-1]["id"]
    with registry.database.write() as connection:  # latest may name it
        connection.execute(tables.aliases.delete())
    assert registry.http.delete(f"/models/{last}").status_code == 204
    assert ids(registry, f"&sort={sort}&after={page['next']}") == listed[2:]


def test_a_cursor_of_another_list_is_refused(registry: Api) -> None:
    model = publish(registry)
    for query in ("after=job_1", f"sort=accuracy&after={model}", "sort=loss&after=nan:model_1"):
        document = problem_of(registry.http.get(f"/models?{query}"), 422, "invalid_request")
        assert document["errors"][0]["parameter"] == "after"


def test_aliases_are_listed_in_pages_also_behind_one_that_was_removed(registry: Api) -> None:
    first, second = publish(registry), publish(registry)
    names = ["a", "b", "c", "d"]
    for name in names:
        promote(registry, first, name)
        promote(registry, second, name)
    page = registry.http.get("/models/aliases?limit=2").json()
    assert [alias["name"] for alias in page["data"]] == ["a", "b"]
    for alias in page["data"]:
        assert alias == registry.http.get(f"/models/aliases/{alias['name']}").json()
        assert alias["previous"] == first
        assert [each["model"] for each in alias["history"]] == [second, first]
    registry.http.delete("/models/aliases/b")
    rest = registry.http.get(f"/models/aliases?limit=3&after={page['next']}").json()
    assert [alias["name"] for alias in rest["data"]] == ["c", "d", "latest"]
    assert rest["next"] is None


def test_previous_is_where_a_rollback_leads(registry: Api) -> None:
    first, second, third = (publish(registry) for _ in range(3))
    for model in (first, second, third):
        promote(registry, model)
    registry.http.delete(f"/models/{second}")
    assert registry.http.get("/models/aliases/production").json()["previous"] == first
    registry.http.post("/models/aliases/production/rollback")
    assert registry.http.get("/models/aliases/production").json()["previous"] == third


def test_a_rollback_that_is_sent_again_with_its_key_happens_once(registry: Api) -> None:
    first, second = publish(registry), publish(registry)
    promote(registry, first)
    promote(registry, second)
    key = {"Idempotency-Key": "back"}
    for _ in range(2):
        back = registry.http.post("/models/aliases/production/rollback", headers=key).json()
        assert (back["model"], back["previous"]) == (first, second)
    elsewhere = registry.http.post("/models/aliases/other/rollback", headers=key)
    problem_of(elsewhere, 422, "idempotency_conflict")
