"""`traind models`, `model`, `promote`, `rollback`, `aliases` and `compare` against a real API."""

from uuid import uuid4

from tests.service import rows as tables
from tests.service.commands import documents, refusal, rows, traind
from tests.service.conftest import Api
from tests.service.test_reports import publish


def test_models_are_listed_in_an_order_and_filtered(api: Api) -> None:
    first, second = publish(api, name="[red]first", wrong=20), publish(api, name="second")
    listed = rows(api, "models", "--limit", "2")
    assert [line[0] for line in listed] == [second, first]
    assert [line[1] for line in listed] == ["second", "[red]first"]
    assert listed[0][2] == "latest"
    assert listed[0][3:5] == ["mnist", "90.00%"]
    assert all(len(line) == 6 for line in listed)
    assert documents(api, "models", "--limit", "1") == [api.http.get(f"/models/{second}").json()]
    oldest = [line[0] for line in rows(api, "models", "--sort", "oldest", "--all")]
    assert oldest == sorted(oldest)
    assert {first, second} <= set(oldest)
    assert rows(api, "models", "--dataset", "emoji") == []
    assert rows(api, "models", "--min-accuracy", "0.95") == []
    assert rows(api, "models", "--label", "of=nobody") == []
    assert "sort" in refusal(api, "models", "--sort", "beauty")


def test_a_model_is_shown_by_id_and_alias(api: Api) -> None:
    model = publish(api, name="shown")
    about = {"description": "[b]Not for\ttaxes"}
    assert api.http.patch(f"/models/{model}", json=about).status_code == 200
    for ref in (model, "latest"):
        shown = dict(map(tuple, rows(api, "model", ref)))
        assert (shown["id"], shown["aliases"]) == (model, "latest")
        assert shown["description"] == "[b]Not for\\ttaxes"
        assert shown["takes"] == "images of 28 x 28 pixels, grey"
        assert shown["classes"].startswith("class 0, class 1, ")
        assert shown["test_accuracy"] == "0.9"
        assert int(shown["onnx bytes"]) > 0
    assert documents(api, "model", model) == [api.http.get(f"/models/{model}").json()]
    of_table = tables.publish(api)
    assert "takes\trows with job, age, born; predicts income" in traind(api, "model", of_table)


def test_an_alias_goes_to_a_model_and_back(api: Api) -> None:
    alias = f"a-{uuid4().hex}"
    first, second = publish(api), publish(api)
    assert traind(api, "promote", first, alias) == f"{alias} names {first}\n"
    assert traind(api, "promote", "latest", alias) == f"{alias} names {second}, before: {first}\n"
    (listed,) = [line for line in rows(api, "aliases") if line[0] == alias]
    assert listed[1:3] == [second, first]
    (back,) = documents(api, "rollback", alias)
    assert (back["name"], back["model"], back["previous"]) == (alias, first, second)
    assert documents(api, "aliases")
    assert traind(api, "rollback", alias) == f"{alias} names {second}, before: {first}\n"
    assert documents(api, "promote", first, alias)[0]["model"] == first


def test_what_cannot_be_promoted_is_told(api: Api) -> None:
    model = publish(api)
    assert "always names the newest model" in refusal(api, "promote", model, "latest")
    assert "There is no model 'model_x'" in refusal(api, "promote", "model_x", "production")
    assert "There is no alias 'nothing'" in refusal(api, "rollback", "nothing")
    for name in ("a?b", "a#b", "a%2fb"):  # all of it is the name
        assert f"There is no model {name!r}" in refusal(api, "model", name)


def test_two_models_are_compared(api: Api) -> None:
    worse, better = publish(api, name="worse", wrong=20), publish(api, wrong=4, first=18)
    told = traind(api, "compare", worse, better)
    assert "accuracy\t80.00%\t96.00%\n" in told
    assert "recall of class 0\t80.00%\t90.00%\n" in told
    assert "difference\t+16.00% (+" in told
    assert "verdict\tb is better: " in told
    (found,) = documents(api, "compare", worse, better)
    assert found["verdict"].startswith("b is better: ")
    other = publish(api, dataset="1" * 64)
    assert "not measured on the same test images" in refusal(api, "compare", worse, other)
