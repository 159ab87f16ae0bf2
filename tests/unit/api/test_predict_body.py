"""How many inputs a request may bring, and what is said of its wrong fields."""

import json
from typing import Any

import pytest

from app.api.predict_body import MAX_INPUTS, MAX_PIXELS, most_inputs
from app.api.predict_json import read
from app.api.problem_kinds import InvalidBody
from app.serving.signature import Signature


@pytest.mark.parametrize(
    ("shape", "most"),
    [
        ((1, 28, 28), MAX_INPUTS),
        ((3, 64, 64), MAX_INPUTS),
        ((3, 224, 224), 222),
        ((3, 512, 512), 42),
    ],
)
def test_large_pictures_are_fewer_in_a_request(shape: tuple[int, int, int], most: int) -> None:
    """A file of a hundred bytes becomes a whole input: their number alone would bound nothing."""
    assert most_inputs(Signature(shape, (0, 255), ["a", "b"])) == most
    channels, height, width = shape
    assert most * channels * height * width <= MAX_PIXELS


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"inputs": [0], "top_k": 0}, "/top_k", "/top_k: expected `int` >= 1."),
        (
            {"inputs": [0], "preprocess": "bogus"},
            "/preprocess",
            "/preprocess: must be one of 'auto', 'mnist', 'none'.",
        ),
        ({"inputs": "x", "model": 3}, "/model", "/model: expected `str | null`, got `int`."),
        ({"inputs": [0], "pixel_range": [1, 1]}, "/pixel_range", "pixel_range must run from"),
        (
            {"inputs": [0], "top/k": 3},
            "/top~1k",
            "/top~1k: is not known here; the fields are inputs, model, top_k, pixel_range, ",
        ),
        ({}, "/inputs", "/inputs: is required."),
        ([1], "", "The body: expected `object`, got `array`."),
    ],
)
def test_a_wrong_field_is_named_with_what_it_may_be(body: Any, pointer: str, detail: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        read(json.dumps(body).encode())
    assert refused.value.pointer == pointer
    assert refused.value.detail.startswith(detail)


NUMBERS = json.dumps([[1, 2], [3, 4]])
IMAGE = json.dumps("A" * 2**18)


@pytest.mark.parametrize("inputs", [NUMBERS, IMAGE, '[{"a": 1}]'], ids=["numbers", "image", "row"])
@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"inputs": @, "top_k": 1, "top_k": 2}', "top_k"),
        ('{"top_k": 1, "inputs": @, "top_k": 1}', "top_k"),
        ('\ufeff{"top_k": 1, "inputs": @, "top_k": 2}', "top_k"),
        ('{"model": "a:b", "inputs": @, "mod\\u0065l": null}', "model"),
        ('{"inputs": @, "pixel_range": null, "pixel_range": [0, 1]}', "pixel_range"),
        ('{"inputs": @, "inputs": @}', "inputs"),
        ('{"inputs": null, "inputs": @}', "inputs"),
        ('{"inputs": @, "model": "é", "inputs": null}', "inputs"),
    ],
)
def test_a_name_that_comes_twice_is_refused_as_in_other_bodies(
    body: str, name: str, inputs: str
) -> None:
    with pytest.raises(InvalidBody) as refused:
        read(body.replace("@", inputs).encode())
    why = f"The body is not valid JSON: {name!r} appears twice in one object."
    assert refused.value.detail == why


@pytest.mark.parametrize("inputs", [NUMBERS, IMAGE, '[{"a": 1, "b": ":"}]', "5"])
@pytest.mark.parametrize(
    "body",
    [
        '{"inputs": @, "model": null, "top_k": 2}',
        '{"model": "a::b", "inputs": @}',
        '{"model": "[5]", "inputs": @}',
        '\ufeff{"model": "é", "inputs": @, "pixel_range": [0, 1], "preprocess": null}',
    ],
)
def test_names_that_come_once_are_taken_with_their_inputs(body: str, inputs: str) -> None:
    sent = body.replace("@", inputs)
    found = read(sent.encode()).sent
    assert json.loads(bytes(found.inputs)) == json.loads(inputs)
    assert found.model == json.loads(sent.removeprefix("\ufeff"))["model"]


@pytest.mark.parametrize(
    ("body", "half"),
    [
        ('{"model": "a\\ud800", "inputs": [[1]]}', "\\ud800 (byte 12)"),
        ('{"inputs": [{"job": "\\uDC00"}]}', "\\uDC00 (byte 21)"),
        ('{"inputs": ["\\ud83d\\ude00\\\\ud800\\ud83dA"]}', "\\ud83d (byte 32)"),
        ('{"inputs": [{"\\ud800\\ud800": 1}]}', "\\ud800 (byte 14)"),
    ],
)
def test_half_of_a_surrogate_pair_is_named_with_its_place(body: str, half: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        read(body.encode())
    why = f"it must be valid Unicode, without lone surrogates: {half} is half of a pair"
    assert refused.value.detail == f"The body is not valid JSON: {why}."


def test_a_body_that_is_cut_off_is_told_as_that() -> None:
    with pytest.raises(InvalidBody, match="not valid JSON: Input data was truncated"):
        read(b'{"inputs": ["\\ud83d\\ude00\\\\ud800')
