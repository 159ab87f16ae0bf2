"""POST /predict for a model of a table: rows by column name, and every way to be refused."""

from typing import Any

import pytest

from tests.service.conftest import Api, problem_of
from tests.service.rows import AGE, BORN, JOB, publish, sure

JSON = {"Content-Type": "application/json"}
ROW = {"age": 50, "job": "nurse", "born": "1972-09-27"}
DAY = 1000
"""The day of `born` in ROW, since 1970."""


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    return publish(api)


def asked(api: Api, model: str, inputs: Any, **fields: Any) -> list[Any]:
    answer = api.http.post("/predict", json={"inputs": inputs, "model": model, **fields})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["predictions"])


def second(prediction: Any) -> float:
    return float(prediction["probabilities"][1])


def warned(prediction: Any) -> dict[str, str]:
    return {each["code"]: each["detail"] for each in prediction.get("warnings", [])}


def refused(api: Api, model: str, content: bytes | Any, code: str = "invalid_input") -> str:
    body = b'{"inputs": %s, "model": "%s"}' % (content, model.encode())
    answer = api.http.post("/predict", content=body, headers=JSON)
    return str(problem_of(answer, 422, code)["detail"])


def test_a_row_is_answered_alone_and_among_others(api: Api, model: str) -> None:
    expected = sure(50, 1, DAY)
    (alone,) = asked(api, model, ROW)
    assert second(alone) == pytest.approx(expected, abs=1e-6)
    assert (alone["label"], alone["index"]) == (">50K", 1)
    assert "warnings" not in alone
    rows = [ROW, ROW | {"age": 17, "job": "clerk"}, ROW]
    assert list(map(second, asked(api, model, rows))) == pytest.approx(
        [expected, sure(17, 0, DAY), expected], abs=1e-6
    )
    answer = api.http.post(f"/models/{model}/predict?top_k=1", json={"inputs": ROW})
    assert answer.json()["predictions"][0]["top"] == [
        {"label": ">50K", "index": 1, "confidence": alone["confidence"]}
    ]


@pytest.mark.parametrize(
    ("row", "index"),
    [
        (b'{"age": 1, "job": "nurse", "age": 70}', 0),
        (b'[{"age": 1}, {"age":1,"job":"a:b","\\u0061ge" \n: 2}]', 1),
        (b'[{"age": 1, "x": {"a": 1, "b": 2}, "age": 2}]', 0),
    ],
)
def test_a_name_that_comes_twice_in_a_row_is_refused(
    api: Api, model: str, row: bytes, index: int
) -> None:
    detail = refused(api, model, row)
    assert detail.startswith(f"/inputs/{index}: is not valid JSON: 'age' appears twice")


@pytest.mark.parametrize("job", ["12:30", 'a": ', '":":":', "\\", '\\": '])
def test_a_text_with_colons_is_no_name(api: Api, model: str, job: str) -> None:
    (prediction,) = asked(api, model, ROW | {"job": job})
    assert list(warned(prediction)) == ["unknown_category"]


def test_many_rows_are_read_in_a_thread_and_answered_in_order(api: Api, model: str) -> None:
    rows = [ROW | {"age": age / 10} for age in range(1024)]
    expected = [sure(age / 10, 1, DAY) for age in range(1024)]
    assert list(map(second, asked(api, model, rows))) == pytest.approx(expected, abs=1e-6)


def test_the_order_of_a_model_s_columns_and_of_a_row_s_does_not_matter(api: Api) -> None:
    other = publish(api, [AGE, BORN, JOB])  # the same graph
    first = publish(api, [JOB, AGE, BORN])
    (one,), (two,) = asked(api, first, ROW), asked(api, other, dict(reversed(ROW.items())))
    assert second(one) == second(two) == pytest.approx(sure(50, 1, DAY), abs=1e-6)


@pytest.mark.parametrize("age", ["50", " 50.0 ", 50.0, "5e1"])
def test_numbers_as_texts_are_taken(api: Api, model: str, age: Any) -> None:
    (prediction,) = asked(api, model, ROW | {"age": age})
    assert second(prediction) == pytest.approx(sure(50, 1, DAY), abs=1e-6)
    assert "warnings" not in prediction


@pytest.mark.parametrize("value", [None, "", "NaN", "leave out"])
def test_missing_values_are_taken_and_warned_of_where_training_had_none(
    api: Api, model: str, value: Any
) -> None:
    def without(*names: str) -> dict[str, Any]:
        kept = {name: each for name, each in ROW.items() if name not in names}
        return kept | ({} if value == "leave out" else dict.fromkeys(names, value))

    (prediction,) = asked(api, model, without("age", "job"))
    assert second(prediction) == pytest.approx(sure(40, -1, DAY), abs=1e-6)
    warnings = warned(prediction)
    assert list(warnings) == ["missing_value"]
    assert "'age', 'job'" in warnings["missing_value"]
    (usual,) = asked(api, model, without("born"))
    assert second(usual) == pytest.approx(sure(50, 1), abs=1e-6)
    assert "warnings" not in usual


def test_an_unknown_category_is_taken_with_a_warning(api: Api, model: str) -> None:
    rows = asked(api, model, [ROW, ROW | {"job": "pilot"}])
    assert "warnings" not in rows[0]
    assert second(rows[1]) == pytest.approx(sure(50, 2, DAY), abs=1e-6)
    warnings = warned(rows[1])
    assert list(warnings) == ["unknown_category"]
    assert "'job': 'pilot'" in warnings["unknown_category"]
    assert "'clerk', 'nurse'" in warnings["unknown_category"]


def test_extra_columns_are_ignored_with_a_warning(api: Api, model: str) -> None:
    (plain,) = asked(api, model, ROW)
    (shoe,) = asked(api, model, ROW | {"shoe": [1, {}]})
    (target,) = asked(api, model, ROW | {"income": ">50K"})
    assert plain["probabilities"] == shoe["probabilities"] == target["probabilities"]
    assert "'shoe'" in warned(shoe)["extra_column"]
    assert "'income' is what the model predicts" in warned(target)["extra_column"]
    assert "not looked at" in warned(target)["extra_column"]


def test_a_warning_names_some_of_thousands_of_columns(api: Api, model: str) -> None:
    extra = {f"{number:04d}{'x' * 300}": 0 for number in range(3000)}
    (prediction,) = asked(api, model, ROW | extra)
    detail = warned(prediction)["extra_column"]
    assert "'0009x" in detail
    assert "and 2990 more" in detail
    assert len(detail) < 2000


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("age", '"old"', ["'old' is no number", "expected a number"]),
        ("age", "[1]", ["expected a number"]),
        ("age", "{}", ["expected a number"]),
        ("age", "1e39", ["too large", "expected a number"]),
        ("age", '"-1e39"', ["too large"]),
        ("age", '"inf"', ["no number"]),
        ("age", "1e999", ["too large"]),
        ("age", "9" * 5000, ["too large"]),
        ("born", '"yesterday"', ["no date", "ISO 8601"]),
        ("born", "true", ["no date"]),
        ("job", "[]", ["expected a text"]),
        ("job", '{"a": 1}', ["expected a text"]),
    ],
)
def test_a_value_that_its_column_cannot_take_is_refused_by_row_and_column(
    api: Api, model: str, column: str, value: str, says: list[str]
) -> None:
    detail = refused(api, model, b'[{}, {"%s": %s}]' % (column.encode(), value.encode()))
    assert detail.startswith(f"/inputs/1: '{column}': "), detail
    assert all(each in detail for each in says), detail


@pytest.mark.parametrize(
    ("inputs", "at"),
    [
        ('[[50, "nurse"]]', 0), ('[50, "nurse"]', 0), ("[{}, [50]]", 1), ("[{}, null]", 1),
        ("50", 0), ('"a"', 0), ("null", 0), ("true", 0), ("[[{}]]", 0),
    ],
)  # fmt: skip
def test_what_is_no_row_is_refused_with_the_columns(
    api: Api, model: str, inputs: str, at: int
) -> None:
    detail = refused(api, model, inputs.encode())
    assert detail.startswith(f"/inputs/{at}: "), detail
    assert "'job', 'age', 'born'" in detail


@pytest.mark.parametrize("count", [0, 1025])
def test_no_rows_and_too_many_are_refused(api: Api, model: str, count: int) -> None:
    rows = b"[" + b",".join([b"{}"] * count) + b"]"
    assert f"{count} items; send 1 to 1024" in refused(api, model, rows, "invalid_body")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", r'"\ud800"', "01"])
def test_what_is_not_json_is_refused(api: Api, model: str, value: str) -> None:
    body = f'{{"inputs": [{{"age": {value}}}], "model": "{model}"}}'
    answer = api.http.post("/predict", content=body, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert "not valid JSON" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png"])
def test_bytes_and_image_files_are_refused(api: Api, model: str, kind: str) -> None:
    answer = api.http.post(
        f"/predict?model={model}", content=bytes(784), headers={"Content-Type": kind}
    )
    detail = problem_of(answer, 415, "unsupported_media_type")["detail"]
    assert f"Send no {kind}: the model takes rows of a table as JSON" in detail
    assert "'job', 'age', 'born'" in detail


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("preprocess", "auto", "auto"), ("preprocess", "mnist", "mnist"),
     ("pixel_range", [0, 1], "0,1")],
)  # fmt: skip
def test_what_is_for_pictures_is_refused_where_it_was_said(
    api: Api, model: str, name: str, value: Any, text: str
) -> None:
    body = {"inputs": ROW, "model": model}
    problem = problem_of(api.http.post("/predict", json=body | {name: value}), 422, "invalid_body")
    assert problem["errors"][0]["pointer"] == f"/{name}"
    assert "is for pictures; the model takes rows" in problem["detail"]
    answer = api.http.post(f"/predict?{name}={text}", json=body)
    assert "is for pictures" in problem_of(answer, 422, "invalid_request")["detail"]
    assert asked(api, model, ROW, **{name: None})


@pytest.mark.parametrize("inputs", [ROW, [ROW], [ROW, ROW], [[ROW]]])
def test_a_model_of_pictures_says_that_it_takes_no_rows(api: Api, inputs: Any) -> None:
    body = {"inputs": inputs, "model": api.publish()}
    detail = problem_of(api.http.post("/predict", json=body), 422, "invalid_input")["detail"]
    assert "is a row of a table; the model takes pictures" in detail
