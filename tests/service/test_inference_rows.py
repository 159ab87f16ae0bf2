"""Rows of tables in the Open Inference Protocol, spoken by Triton's own client."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from tests.service.conftest import Api
from tests.service.rows import publish, sure

NAME = "v2-rows"
AGES = [50.0, 17.0, 90.0]
JOBS = ["nurse", "clerk", "nurse"]
BORN = ["1972-09-27", "1970-01-01", "1975-06-24"]
DAYS = [1000, 0, 2000]
EXPECTED = [sure(50, 1, 1000), sure(17, 0, 0), sure(90, 1, 2000)]


@pytest.fixture(scope="module", autouse=True)
def model(api: Api) -> str:
    model_id = publish(api)
    assert api.http.put(f"/models/aliases/{NAME}", json={"model": model_id}).status_code == 200
    return model_id


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(api.service.url.removeprefix("http://")) as client:
        yield client


def tensor(name: str, values: NDArray[Any], datatype: str, *, binary: bool = True) -> Any:
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def texts(name: str, values: list[str], *, binary: bool = True, flat: bool = False) -> Any:
    array = np.array(values, object).reshape(-1 if flat else (-1, 1))
    return tensor(name, array, "BYTES", binary=binary)


def ages(*, binary: bool = True, datatype: str = "FP64", kind: str = "f8") -> Any:
    return tensor("age", np.array(AGES, kind)[:, None], datatype, binary=binary)


def second(client: triton.InferenceServerClient, inputs: list[Any]) -> Any:
    """The probabilities of the second class."""
    return client.infer(NAME, inputs).as_numpy("probabilities")[:, 1]


def test_a_model_of_a_table_has_an_input_for_each_column(
    client: triton.InferenceServerClient, model: str
) -> None:
    about = client.get_model_metadata(NAME)
    assert about["versions"] == [model]
    assert about["inputs"] == [
        {"name": "job", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "age", "datatype": "FP64", "shape": [-1, 1]},
        {"name": "born", "datatype": "BYTES", "shape": [-1, 1]},
    ]
    assert about["outputs"][0]["shape"] == [-1, 2]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("binary", [(True,) * 3, (False,) * 3, (True, False, True)], ids=str)
@pytest.mark.parametrize("flat", [True, False])
def test_columns_come_in_any_order_as_json_and_binary(
    client: triton.InferenceServerClient, order: tuple[int, ...], binary: tuple[bool, ...],
    flat: bool,
) -> None:  # fmt: skip
    inputs = [
        texts("job", JOBS, binary=binary[0], flat=flat),
        ages(binary=binary[1]),
        texts("born", BORN, binary=binary[2], flat=flat),
    ]
    answer = client.infer(NAME, [inputs[place] for place in order])
    np.testing.assert_allclose(answer.as_numpy("probabilities")[:, 1], EXPECTED, atol=1e-6)
    assert "parameters" not in answer.get_response()


@pytest.mark.parametrize(
    ("datatype", "kind"), [("FP32", "f4"), ("INT8", "i1"), ("INT64", "i8"), ("UINT16", "u2")]
)
@pytest.mark.parametrize("binary", [True, False])
def test_numbers_of_every_datatype_are_taken(
    client: triton.InferenceServerClient, datatype: str, kind: str, binary: bool
) -> None:
    age = ages(binary=binary, datatype=datatype, kind=kind)
    inputs = [age, texts("job", JOBS), texts("born", BORN)]
    np.testing.assert_allclose(second(client, inputs), EXPECTED, atol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_numbers_as_texts_and_truth_values_are_taken(
    client: triton.InferenceServerClient, binary: bool
) -> None:
    others = [texts("job", JOBS), texts("born", BORN)]
    as_texts = texts("age", list(map(str, AGES)), binary=binary)
    np.testing.assert_allclose(second(client, [as_texts, *others]), EXPECTED, atol=1e-6)
    truth = tensor("age", np.array([True, False, True]), "BOOL", binary=binary)
    expected = [sure(1, 1, 1000), sure(0, 0, 0), sure(1, 1, 2000)]
    np.testing.assert_allclose(second(client, [truth, *others]), expected, atol=1e-6)


def test_nan_and_columns_left_out_are_missing_with_warnings(
    client: triton.InferenceServerClient,
) -> None:
    values = np.array([50, np.nan, 90])
    answer = client.infer(NAME, [tensor("age", values, "FP64"), texts("shoe", JOBS)])
    np.testing.assert_allclose(
        answer.as_numpy("probabilities")[:, 1], [sure(50), sure(40), sure(90)], atol=1e-6
    )
    lines = answer.get_response()["parameters"]["warnings"].splitlines()
    missing = [line for line in lines if "missing_value" in line]
    assert [line.partition(":")[0] for line in missing] == ["rows[0]", "rows[1]", "rows[2]"]
    assert ["'age', 'job'" in line for line in missing] == [False, True, False]
    assert sum("extra_column" in line and "'shoe'" in line for line in lines) == 3


def test_an_error_names_row_and_column(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"rows\[1\]: 'age': 'old' is no") as refused:
        client.infer(NAME, [texts("age", ["1", "old"]), texts("job", JOBS[:2])])
    assert refused.value.status() == "400"
    with pytest.raises(InferenceServerException, match="no number"):
        client.infer(NAME, [tensor("age", np.array([np.inf]), "FP64")])


def age(**changes: Any) -> dict[str, Any]:
    return {"name": "age", "shape": [1, 1], "datatype": "FP64", "data": [1]} | changes


def behind(size: Any, **changes: Any) -> dict[str, Any]:
    return age(data=None, parameters={"binary_data_size": size}, **changes)


@pytest.mark.parametrize(
    ("inputs", "binary", "says"),
    [
        ([], b"", "an input for each column of the table: 'job', 'age', 'born'"),
        ([age(), age()], b"", "sent twice"),
        ([age(), age(name="job", datatype="BYTES", shape=[2])], b"", "as many for each"),
        ([age(shape=[])], b"", "shape must be"),
        ([age(shape=[1, 2])], b"", "shape must be"),
        ([age(shape=[1, 1, 1])], b"", "shape must be"),
        ([age(shape=[0])], b"", "1 to 1024"),
        ([age(shape=[-1])], b"", "1 to 1024"),
        ([age(shape=[2**62])], b"", "1 to 1024"),
        ([age(shape=[2])], b"", "has 1 values"),
        ([age(datatype="COMPLEX")], b"", "datatype"),
        ([age(data=None)], b"", "send data"),
        ([age(data=["1"])], b"", "list of numbers"),
        ([age(data=[[[1]]])], b"", "list of numbers"),
        ([age(datatype="BYTES")], b"", "list of texts"),
        ([age(), age(name="shoe", data={"a": 1})], b"", "list of numbers"),
        ([behind(8)], b"", "0 are left"),
        ([behind(8)], bytes(9), "its tensors have 8"),
        ([behind(7)], bytes(7), "a number has 8 bytes"),
        ([behind(8), behind(8, name="job")], bytes(15), "7 are left"),
        ([behind(-1)], bytes(8), "8 are left"),
        ([behind(True)], bytes(8), "8 are left"),
        ([behind("8")], bytes(8), "8 are left"),
        ([behind(16)], bytes(16), "has 2 values"),
        ([behind(6, datatype="BYTES")], b"\x03\0\0\0ab", "longer"),
        ([behind(5, datatype="BYTES")], b"\x01\0\0\0\xff", "UTF-8"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_says_why(
    api: Api, inputs: Any, binary: bytes, says: str
) -> None:
    head = json.dumps({"inputs": inputs}).encode()
    answer = api.http.post(
        f"/v2/models/{NAME}/infer",
        content=head + binary,
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error"}
    assert says in answer.json()["error"]


@pytest.mark.parametrize("name", ["preprocess", "pixel_range"])
def test_what_is_for_pictures_is_refused(api: Api, name: str) -> None:
    body = {"inputs": [age()], "parameters": {name: "0,1"}}
    answer = api.http.post(f"/v2/models/{NAME}/infer", json=body)
    assert answer.status_code == 400, answer.text
    assert f"{name} is for models of pictures" in answer.json()["error"]
