"""Whether one model is better than another, image by image."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.service.conftest import Api, problem_of
from tests.service.test_reports import forget_report, publish


def compared(api: Api, a: str, b: str) -> dict[str, Any]:
    answer = api.http.get("/models/compare", params={"a": a, "b": b})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_two_models_are_compared_image_by_image(api: Api) -> None:
    worse = publish(api, name="worse", wrong=20)
    better = publish(api, name="better", wrong=4, first=18)
    found = compared(api, worse, better)
    assert found["a"] == {"model": worse, "name": "worse", "accuracy": 0.8}
    assert found["b"] == {"model": better, "name": "better", "accuracy": 0.96}
    assert found["images"] == 100
    assert found["discordant"] == {"only_a": 2, "only_b": 18}
    assert found["difference"]["value"] == 0.16
    assert 0 < found["difference"]["low"] < 0.16 < found["difference"]["high"]
    assert found["p_value"] == pytest.approx(binomtest(2, 20).pvalue)
    assert found["verdict"].startswith("b is better: ")
    assert found["classes"][0] == {
        "label": "class 0",
        "images": 10,
        "a": 0.8,
        "b": 0.9,
        "difference": pytest.approx(0.1),
    }
    turned = compared(api, better, worse)
    assert turned["difference"]["value"] == -0.16
    assert turned["verdict"].startswith("a is better: ")


def test_models_that_hardly_differ_are_not_told_apart(api: Api) -> None:
    found = compared(api, publish(api, wrong=3), publish(api, wrong=5))
    assert found["verdict"].startswith("no difference can be seen: ")
    assert found["p_value"] == 0.5


def test_aliases_and_the_model_itself_can_be_compared(api: Api) -> None:
    newest = publish(api, wrong=3)
    found = compared(api, "latest", newest)
    assert found["a"]["model"] == found["b"]["model"] == newest
    assert found["p_value"] == 1.0


def test_models_of_other_images_are_not_compared(api: Api) -> None:
    one = publish(api)
    others = [
        publish(api, dataset="1" * 64),
        publish(api, labels=np.arange(100)[::-1] % 10),
        publish(api, labels=np.arange(90) % 10),
    ]
    for other in others:
        answer = api.http.get("/models/compare", params={"a": one, "b": other})
        problem = problem_of(answer, 409, "not_comparable")
        assert one in problem["detail"]
        assert other in problem["detail"]


def test_a_model_without_answers_or_that_is_not_there_is_not_compared(api: Api) -> None:
    one, old = publish(api), publish(api)
    forget_report(api, old)
    answer = api.http.get("/models/compare", params={"a": one, "b": old})
    problem_of(answer, 404, "no_report")
    answer = api.http.get("/models/compare", params={"a": "model_none", "b": one})
    problem_of(answer, 404, "model_not_found")
    answer = api.http.get("/models/compare", params={"a": one})
    problem_of(answer, 422, "invalid_request")
