"""The Open Inference Protocol, spoken by Triton's own client."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.service.conftest import Api, band

NAME = "v2-tests"


@pytest.fixture(scope="module", autouse=True)
def model(api: Api) -> str:
    model_id = api.publish()
    assert api.http.put(f"/models/aliases/{NAME}", json={"model": model_id}).status_code == 200
    return model_id


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(api.service.url.removeprefix("http://")) as client:
        yield client


def images(*indices: int) -> np.ndarray[Any, Any]:
    return np.array([band(index) for index in indices], np.float32)[:, None]


def tensor(pixels: np.ndarray[Any, Any], datatype: str = "FP32", *, binary: bool = True) -> Any:
    wanted = triton.InferInput("pixels", list(pixels.shape), datatype)
    wanted.set_data_from_numpy(pixels, binary_data=binary)
    return wanted


def predicted(api: Api, model: str, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    body = {"inputs": pixels.reshape(len(pixels), -1).tolist(), "model": model}
    answer = api.http.post("/predict", json=body).json()
    return np.array([each["probabilities"] for each in answer["predictions"]])


def test_the_server_and_its_models_describe_themselves(
    client: triton.InferenceServerClient, model: str
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == "traind"
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(model, model)
    assert not client.is_model_ready("nobody")
    about = client.get_model_metadata(NAME)
    assert about["versions"] == [model]
    assert about["inputs"] == [{"name": "pixels", "datatype": "FP32", "shape": [-1, 1, 28, 28]}]
    assert about["outputs"][0]["shape"] == [-1, 10]


@pytest.mark.parametrize("sends_binary", [True, False])
@pytest.mark.parametrize("takes_binary", [True, False])
def test_json_and_binary_answer_as_predict_does(
    api: Api, client: triton.InferenceServerClient, model: str, sends_binary: bool,
    takes_binary: bool,
) -> None:  # fmt: skip
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28)).astype(np.float32)
    output = triton.InferRequestedOutput("probabilities", binary_data=takes_binary)
    answer = client.infer(
        NAME, [tensor(pixels, binary=sends_binary)], request_id="7", outputs=[output]
    )
    assert answer.get_response()["model_version"] == model
    assert answer.get_response()["id"] == "7"
    probabilities = answer.as_numpy("probabilities")
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, predicted(api, model, pixels), atol=1e-6)


def test_a_client_that_says_nothing_of_the_output_gets_it_whole(
    client: triton.InferenceServerClient,
) -> None:
    answer = client.infer(NAME, [tensor(images(3, 7, 1))])
    assert answer.as_numpy("probabilities").argmax(1).tolist() == [3, 7, 1]


@pytest.mark.parametrize("identity", [7, 7.5, "7", None])
def test_null_fields_and_numeric_ids_are_taken(api: Api, identity: Any) -> None:
    sent = {"name": "pixels", "shape": [1, 784], "datatype": "FP32", "parameters": None}
    output = {"name": "probabilities", "parameters": None}
    body = {"inputs": [sent | {"data": [0] * 784}], "id": identity, "parameters": None}
    for outputs in (None, [output]):
        answer = api.http.post(f"/v2/models/{NAME}/infer", json=body | {"outputs": outputs})
        assert answer.status_code == 200, answer.text
        assert answer.json().get("id") == identity


@pytest.mark.parametrize("shape", [(2, 784), (2, 28, 28), (2, 1, 28, 28)])
@pytest.mark.parametrize(("datatype", "kind"), [("UINT8", "u1"), ("FP64", "f8"), ("INT64", "i8")])
def test_other_datatypes_and_flat_images_are_taken(
    client: triton.InferenceServerClient, shape: tuple[int, ...], datatype: str,
    kind: str,
) -> None:  # fmt: skip
    for binary in (True, False):
        pixels = images(4, 9).reshape(shape).astype(kind)
        answer = client.infer(NAME, [tensor(pixels, datatype, binary=binary)])
        assert answer.as_numpy("probabilities").argmax(1).tolist() == [4, 9]


def test_the_best_classes_come_as_triton_writes_them(
    client: triton.InferenceServerClient,
) -> None:
    for binary in (True, False):
        output = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)
        answer = client.infer(NAME, [tensor(images(3, 7))], outputs=[output])
        best = answer.as_numpy("probabilities")
        assert best.shape == (2, 2)
        texts = [bytes(row[0]).decode() if binary else str(row[0]) for row in best]
        assert [text.split(":")[1:] for text in texts] == [["3", "class 3"], ["7", "class 7"]]


def test_a_version_stays_what_it_was_after_a_promotion(
    api: Api, client: triton.InferenceServerClient
) -> None:
    alias = "v2-moves"
    first, second, other = api.publish(shift=1), api.publish(shift=2), api.publish()
    for target in (first, second):
        api.http.put(f"/models/aliases/{alias}", json={"model": target})

    def best(version: str) -> int:
        answer = client.infer(alias, [tensor(images(0))], model_version=version)
        return int(answer.as_numpy("probabilities").argmax())

    assert (best(""), best(second), best(first)) == (2, 2, 1)
    with pytest.raises(InferenceServerException, match="no model"):
        best(other)


def test_an_error_is_the_protocol_s_own(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="There is no model 'nobody'") as refused:
        client.infer("nobody", [tensor(images(0))])
    assert refused.value.status() == "404"
    with pytest.raises(InferenceServerException, match="from 0 to 255") as refused:
        client.infer(NAME, [tensor(images(0) * 2)])
    assert refused.value.status() == "400"
    with pytest.raises(InferenceServerException, match="a pixel of nan"):
        client.infer(NAME, [tensor(images(0) * np.float32("nan"))])


def blank(**changes: Any) -> dict[str, Any]:
    return {"name": "pixels", "shape": [1, 784], "datatype": "FP32", "data": [0] * 784} | changes


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("[]", "not an inference request"),
        ("{", "not an inference request"),
        ("{}", "inputs"),
        ('{"inputs": ' + "[" * 100_000, "not an inference request"),
        ({"inputs": [blank(name="\ud800")]}, "must be valid Unicode, without lone surrogates"),
        ({"inputs": [blank(data=["\ud800"])]}, "\\ud800 (byte "),
        ({"inputs": []}, "Send one input"),
        ({"inputs": [blank(name="image")]}, "named pixels"),
        ({"inputs": [blank(), blank()]}, "Send one input"),
        ({"inputs": [blank(datatype="COMPLEX")]}, "datatype"),
        ({"inputs": [blank(shape=[1, 783])]}, "shape must be"),
        ({"inputs": [blank(shape=[])]}, "shape must be"),
        ({"inputs": [blank(shape=[0, 784], data=[])]}, "1 to 1024"),
        ({"inputs": [blank(shape=[-1, 784])]}, "1 to 1024"),
        ({"inputs": [blank(shape=[10**12, 784])]}, "1 to 1024"),
        ({"inputs": [blank(shape=[2, 784])]}, "784 numbers"),
        ({"inputs": [blank(data=[[0], [0, 0]])]}, "equal length"),
        ({"inputs": [blank(data=["a"] * 784)]}, "numbers"),
        ({"inputs": [blank(data={"a": 1})]}, "numbers"),
        ({"inputs": [blank(data=None)]}, "send data"),
        ({"inputs": [blank(data=None, parameters={"binary_data_size": 4})]}, "binary_data_size"),
        ({"inputs": [blank()], "outputs": [{"name": "logits"}]}, "only output"),
        ({"inputs": [blank()], "outputs": [{"name": "probabilities",
          "parameters": {"classification": -1}}]}, "classification"),
        ({"inputs": [blank()], "outputs": [{"name": "probabilities",
          "parameters": {"binary_data": 1}}]}, "binary_data"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_says_why(api: Api, body: Any, says: str) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = api.http.post(f"/v2/models/{NAME}/infer", content=content)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error"}
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('"id": "a:b"', '"id": "a", "id": "b"', "id"),
        ('"id": "a:b"', '"id": null, "id": null', "id"),
        ('"shape": [1, 784]', '"shape": [2, 784], "shape": [1, 784]', "shape"),
        ('"data": ', '"data": [1], "data": ', "data"),
        ('"inputs": ', '"inputs": [], "inputs": ', "inputs"),
        ('"own": 1', '"own": 1, "own": 2', "own"),
        ('"deep": {}', '"deep": {"a": 1, "a": 1}', "a"),
    ],
)
def test_a_name_that_comes_twice_is_refused(api: Api, old: str, new: str, name: str) -> None:
    body = {"inputs": [blank()], "id": "a:b", "parameters": {"own": 1, "deep": {}}, "extension": {}}
    text = json.dumps(body)
    path = f"/v2/models/{NAME}/infer"
    assert api.http.post(path, content=text).status_code == 200
    assert text.count(old) == 1
    answer = api.http.post(path, content=text.replace(old, new))
    assert answer.status_code == 400, answer.text
    assert f"{name!r} appears twice in one object" in answer.json()["error"]


def test_megabytes_that_another_value_replaces_are_refused(api: Api) -> None:
    text = json.dumps({"inputs": [blank()]})
    text = text.replace('"data": ', f'"data": {[0] * 50_000}, "data": ')
    answer = api.http.post(f"/v2/models/{NAME}/infer", content=text)
    assert answer.status_code == 400, answer.text
    assert "'data' appears twice in one object" in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": [{"name": "pixels", "datatype": "BYTES", "shape": [1], "data": ["@"]}]}',
        b'{"inputs": [{"name": "pixels", "datatype": "FP32", "shape": [1], "data": ["@"]}]}',
        b'{"inputs": [{"name": "@", "datatype": "BYTES", "shape": [1], "data": [""]}]}',
        b'{"inputs": [], "id": "@"}',
        b'{"inputs": [], "unknown": "@"}',
    ],
    ids=["files", "pixels", "name", "id", "unknown"],
)
def test_json_that_is_not_utf_8_is_refused_wherever_it_stands(api: Api, body: bytes) -> None:
    answer = api.http.post(f"/v2/models/{NAME}/infer", content=body.replace(b"@", b"\x81"))
    assert answer.status_code == 400, answer.text
    assert "utf-8" in answer.json()["error"]


@pytest.mark.parametrize("where", ["request", "tensor"])
@pytest.mark.parametrize("given", ["0,1", [0, 1]], ids=["text", "list"])
def test_pixels_of_a_declared_range_are_taken(api: Api, where: str, given: Any) -> None:
    fractions = (images(3) / 255).ravel().tolist()
    declared = {"parameters": {"pixel_range": given}}
    tensor = blank(data=fractions) | (declared if where == "tensor" else {})
    body = {"inputs": [tensor]} | (declared if where == "request" else {})
    answer = api.http.post(f"/v2/models/{NAME}/infer", json=body).json()
    assert np.argmax(answer["outputs"][0]["data"]) == 3
    assert "parameters" not in answer


@pytest.mark.parametrize("given", ["", "0", "0,0", "1,0", "0,1e-320", "a,b", 3, [0], [0, None]])
def test_a_range_that_is_none_is_refused_under_v2(api: Api, given: Any) -> None:
    body = {"inputs": [blank()], "parameters": {"pixel_range": given}}
    answer = api.http.post(f"/v2/models/{NAME}/infer", json=body)
    assert answer.status_code == 400, answer.text
    assert "pixel_range" in answer.json()["error"]


def test_doubtful_tensors_are_warned_of(client: triton.InferenceServerClient) -> None:
    pixels = np.concatenate([images(3), images(3) / 255, images(3) * 0])
    parameters = client.infer(NAME, [tensor(pixels)]).get_response()["parameters"]
    first, second = parameters["warnings"].splitlines()
    assert first.startswith("pixels[1]: pixel_range: ")
    assert second.startswith("pixels[2]: blank: ")
    usual = client.infer(NAME, [tensor(images(3))]).get_response()
    assert "parameters" not in usual


@pytest.mark.parametrize("length", ["-1", "x", "999999999", "1" * 5000])
def test_a_header_length_that_cannot_be_is_refused(api: Api, length: str) -> None:
    answer = api.http.post(
        f"/v2/models/{NAME}/infer",
        content=json.dumps({"inputs": [blank()]}),
        headers={"Inference-Header-Content-Length": length},
    )
    assert answer.status_code == 400, answer.text


def test_every_error_under_v2_has_the_protocol_s_form(api: Api) -> None:
    def error(answer: httpx.Response, status: int) -> None:
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error"}

    error(api.http.get("/v2/nothing"), 404)
    error(api.http.delete("/v2"), 405)
    error(api.http.get("/v2/models/nobody"), 404)
    error(api.http.get(f"/v2/models/{'a' * 65}"), 400)
    error(api.http.post(f"/v2/models/{'a' * 65}/infer", content=b"{}"), 404)
    error(api.http.post("/v2/models/latest/infer", content=bytes(3 * 2**20)), 413)
