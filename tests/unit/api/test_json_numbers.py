"""Lists of numbers in JSON: read as Python's decoder reads them, or not at all."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import json_numbers, predict_body
from app.api.problem_kinds import InvalidBody

NUMBERS = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
OTHER = [
    *("", "5", "null", "{}", "[]", "[1, 2", "[1, 2]]", "[01]", "[+1]", "[.5]", "[1,]", "[NaN]"),
    *("[true]", "[1, null]", '["1"]', "[[1, true]]", "[[1], [2, 3]]", "[[1, [2]]]", "[[[1]]]"),
    *("[[1], 2]", "[[1], {}]", '[{"0": 1}]', "[[1e400]]", "[[123456789012345678901234]]"),
]


@given(st.lists(NUMBERS, min_size=1))
def test_a_list_is_the_numbers_that_python_reads(numbers: list[Any]) -> None:
    text = json.dumps(numbers).encode()
    found = json_numbers.row(text)
    assert found is not None
    np.testing.assert_array_equal(found.astype(np.float64), np.array(json.loads(text), np.float64))


@given(
    st.integers(1, 4).flatmap(
        lambda k: st.lists(st.lists(NUMBERS, min_size=k, max_size=k), min_size=1)
    )
)
def test_lists_of_equal_length_are_rows(numbers: list[list[Any]]) -> None:
    found = json_numbers.rows(json.dumps(numbers).encode())
    assert found is not None
    np.testing.assert_array_equal(found.astype(np.float64), np.array(numbers, np.float64))


@pytest.mark.parametrize("text", OTHER)
def test_what_is_no_list_of_numbers_is_not_read(text: str) -> None:
    if text != "[]":
        assert json_numbers.row(text.encode()) is None
    assert json_numbers.rows(text.encode()) is None
    kept = json_numbers.rows(b"[[1, 2], [3, 4]]")  # and nothing of it is in the way of the next
    assert kept is not None
    assert kept.tolist() == [[1, 2], [3, 4]]


def test_what_was_read_stays_as_it_is_when_more_is_read() -> None:
    first = json_numbers.rows(b"[[1, 2]]")
    assert json_numbers.rows(b"[[3, 4]]") is not None
    assert first is not None
    assert first.tolist() == [[1, 2]]


def test_threads_read_side_by_side() -> None:
    def reads(number: int) -> bool:
        texts = [json.dumps([[number, each] for each in range(500)]).encode() for _ in range(50)]
        return all(
            (found := json_numbers.rows(text)) is not None and bool((found[:, 0] == number).all())
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
def test_a_body_with_rows_of_numbers_says_the_same_as_without_the_short_way(body: str) -> None:
    read = predict_body.read(body.encode())
    assert read.numbers is not None
    assert read.numbers.tolist() == [[1, 2], [3, 4]]
    expected = predict_body._fields(body.encode())
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
        predict_body.read(body.encode())
    assert place in f"{refused.value.pointer} {refused.value}"
