"""Lists of numbers in JSON: read as Python's decoder reads them, or not at all."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest

from app.api import json_numbers, predict_body, predict_json
from app.api.problem_kinds import InvalidBody
from app.images import InvalidInput
from app.serving.signature import Signature

OTHER = [
    *("", "5", "null", "{}", "[]", "[1, 2", "[1, 2]]", "[01]", "[+1]", "[.5]", "[1,]", "[NaN]"),
    *("[true]", "[1, null]", '["1"]', "[[1, true]]", "[[1], [2, 3]]", "[[1, [2]]]", "[[1], [[2]]]"),
    *(
        "[[1], 2]",
        "[[[1], [2]], [[3]]]",
        "[[], []]",
        "[[1], {}]",
        '[{"0": 1}]',
        "[[1e400]]",
        "[[123456789012345678901234]]",
    ),
]


def numbers(shape: list[int], chance: random.Random) -> Any:
    """Nested lists of whole numbers, of fractions, or of both."""
    if shape:
        return [numbers(shape[1:], chance) for _ in range(shape[0])]
    whole, fraction = (
        chance.randrange(-(2**62), 2**62),
        chance.gauss(0, 10.0 ** chance.randrange(9)),
    )
    return chance.choice([whole, fraction, 0, -0.0, 255])


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_lists_are_the_array_that_python_makes(depth: int) -> None:
    chance = random.Random(depth)
    for _ in range(100):
        made = numbers([chance.randint(1, 4) for _ in range(depth)], chance)
        found = json_numbers.array(json.dumps(made).encode())
        assert found is not None
        np.testing.assert_array_equal(found.astype(np.float64), np.array(made, np.float64))


@pytest.mark.parametrize("text", OTHER)
def test_what_is_no_list_of_numbers_is_not_read(text: str) -> None:
    assert json_numbers.array(text.encode()) is None
    kept = json_numbers.array(b"[[1, 2], [3, 4]]")  # and nothing of it is in the way of the next
    assert kept is not None
    assert kept.tolist() == [[1, 2], [3, 4]]


def test_what_was_read_stays_as_it_is_when_more_is_read() -> None:
    first = json_numbers.array(b"[[1, 2]]")
    assert json_numbers.array(b"[[3, 4]]") is not None
    assert first is not None
    assert first.tolist() == [[1, 2]]


def test_threads_read_side_by_side() -> None:
    def reads(number: int) -> bool:
        texts = [json.dumps([[number, each] for each in range(500)]).encode() for _ in range(50)]
        return all(
            (found := json_numbers.array(text)) is not None and bool((found[:, 0] == number).all())
            for text in texts
        )

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(reads, range(8)))


@pytest.mark.parametrize(
    "body",
    [
        '{"inputs": [[1, 2], [3, 4]]}',
        '{"model": "a", "inputs": [[1, 2], [3, 4]], "top_k": 2}',
        '\ufeff{"inputs": [[1, 2], [3, 4]]}',
        '{"inputs": [[1, 2], [3, 4]], "preprocess": null}',
    ],
)
def test_a_body_of_numbers_says_the_same_as_without_the_short_way(body: str) -> None:
    read = predict_json.read(body.encode())
    assert read.numbers is not None
    assert read.numbers.tolist() == [[1, 2], [3, 4]]
    expected = predict_json._fields(body.encode())
    assert read.sent == expected
    assert msgspec.json.decode(read.sent.inputs) == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('{"inputs": [[1]], "top_k": 0}', "/top_k"),
        ('{"inputs": [[1]], "what": 1}', "what"),
        ('{"inputs": [[1]]} x', "JSON"),
        ('{"model": "[", "inputs": [[1]], "top_k": "]"}', "/top_k"),
        ('{"what": [[1]]}', "what"),
    ],
)
def test_a_body_that_is_wrong_beside_its_numbers_is_refused_with_the_place(
    body: str, place: str
) -> None:
    with pytest.raises(InvalidBody) as refused:
        predict_json.read(body.encode())
    assert place in f"{refused.value.pointer} {refused.value}"


COLOURED = Signature((3, 2, 2), (0.0, 255.0), ["a", "b"])
GREY = Signature((1, 2, 3), (0.0, 255.0), ["a", "b"])


@pytest.mark.parametrize("signature", [COLOURED, GREY], ids=["coloured", "grey"])
@pytest.mark.parametrize("number", [7, 7.5, 300, -1], ids=str)
@pytest.mark.parametrize(
    "shape",
    [(6,), (12,), (2, 3), (1, 6), (2, 12), (2, 2, 3), (3, 2, 2), (4, 1, 2, 3), (2, 2, 2, 3)],
)
def test_the_short_way_gives_the_pixels_of_the_long_one_or_none(
    signature: Signature, number: float, shape: tuple[int, ...]
) -> None:
    numbers = np.arange(np.prod(shape)).reshape(shape) + number
    found = predict_body._pixels(numbers, signature, None)
    try:
        many = predict_body._separate(json.dumps(numbers.tolist()).encode(), signature)
        long = [predict_body._open(each, 0, signature, None) for each in many]
    except InvalidInput:
        assert found is None
    else:
        assert found is not None
        np.testing.assert_array_equal(found, np.stack([np.asarray(each) for each in long]))
