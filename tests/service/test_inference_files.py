"""The Open Inference Protocol takes image files as a tensor of BYTES."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from tritonclient.utils import InferenceServerException

from tests.service.conftest import Api
from tests.service.pictures import (
    as_text,
    clear,
    file,
    imported,
    picture,
    probabilities_of,
    publish,
)


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    return publish(api)


def infer(client: triton.InferenceServerClient, model: str, pixels: Any, **parameters: Any) -> Any:
    """The probabilities that Triton's client gets for files, sent in binary."""
    elements = np.array(pixels, object)
    wanted = triton.InferInput("pixels", list(elements.shape), "BYTES")
    wanted.set_data_from_numpy(elements)
    return client.infer(model, [wanted], parameters=parameters or None)


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(api.service.url.removeprefix("http://")) as client:
        yield client


def test_the_open_protocol_takes_files_as_bytes(
    api: Api, client: triton.InferenceServerClient, model: str
) -> None:
    contents = [file(picture()), file(picture(20, 80), "JPEG"), file(clear(), "WEBP")]
    expected = [probabilities_of(api, model, content) for content in contents]
    for form in (contents, [[content] for content in contents]):
        found = infer(client, model, form).as_numpy("probabilities")
        np.testing.assert_allclose(found, expected, atol=2e-6)
    texts: list[Any] = [as_text(contents[0]), f"data:image/jpeg;base64,{as_text(contents[1])}"]
    for data, shape in ((texts, [2]), ([[text] for text in texts], [2, 1])):
        tensor = {"name": "pixels", "datatype": "BYTES", "shape": shape, "data": data}
        answer = api.http.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]})
        assert answer.status_code == 200, answer.text
        rows = np.reshape(answer.json()["outputs"][0]["data"], (2, 10))
        np.testing.assert_allclose(rows, expected[:2], atol=2e-6)


def test_the_open_protocol_takes_channels_last(api: Api, model: str) -> None:
    content = file(picture())
    data = imported(content).transpose(1, 2, 0)
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, *data.shape]}
    body = {"inputs": [tensor | {"data": data.ravel().tolist()}]}
    answer = api.http.post(f"/v2/models/{model}/infer", json=body).json()
    expected = probabilities_of(api, model, content)
    assert answer["outputs"][0]["data"] == pytest.approx(expected, abs=2e-6)


def test_the_open_protocol_prepares_digits_as_predict_does(
    api: Api, client: triton.InferenceServerClient
) -> None:
    digits = api.publish()
    blank, drawn = Image.new("L", (90, 90), 255), Image.new("L", (90, 90), 255)
    drawn.paste(0, (40, 20, 50, 70))
    for preprocess in ("auto", "mnist", "none"):
        texts = [as_text(file(each)) for each in (blank, drawn)]
        body = {"inputs": texts, "model": digits, "preprocess": preprocess}
        expected = api.http.post("/predict", json=body).json()["predictions"]
        answer = infer(client, digits, [file(blank), file(drawn)], preprocess=preprocess)
        np.testing.assert_allclose(
            answer.as_numpy("probabilities"),
            [each["probabilities"] for each in expected],
            atol=2e-6,
        )
        assert "pixels[0]: blank: " in answer.get_response()["parameters"]["warnings"]


def bytes_tensor(**changes: Any) -> dict[str, Any]:
    data = [as_text(file(picture()))]
    return {"name": "pixels", "shape": [1], "datatype": "BYTES", "data": data} | changes


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"inputs": [bytes_tensor(shape=[1, 3, 24, 32])]}, "shape of BYTES must be"),
        ({"inputs": [bytes_tensor(shape=[])]}, "send 1 to 1024 images, not 0"),
        ({"inputs": [bytes_tensor(shape=[0], data=[])]}, "send 1 to 1024 images, not 0"),
        ({"inputs": [bytes_tensor(shape=[-1])]}, "send 1 to 1024 images, not -1"),
        ({"inputs": [bytes_tensor(shape=[2])]}, "has 1 files; its shape is [2]"),
        ({"inputs": [bytes_tensor(data=[7])]}, "image files in base64"),
        ({"inputs": [bytes_tensor(data=None)]}, "send data"),
        ({"inputs": [bytes_tensor(data=["?"])]}, "pixels[0]: a text must be an image file"),
        ({"inputs": [bytes_tensor(name="image")]}, "Send one input, named pixels"),
        ({"inputs": [bytes_tensor(), bytes_tensor()]}, "Send one input, named pixels"),
        ({"inputs": [bytes_tensor(parameters={"binary_data_size": 9})]}, "binary_data_size is 9"),
        ({"inputs": [bytes_tensor(parameters={"preprocess": "mnist"})]}, "Leave preprocess out"),
        ({"inputs": [bytes_tensor()], "parameters": {"preprocess": "none"}}, "Leave preprocess"),
        ({"inputs": [bytes_tensor(parameters={"preprocess": 3})]}, "preprocess: "),
    ],
)
def test_files_that_the_open_protocol_cannot_read_are_refused(
    api: Api, model: str, body: Any, says: str
) -> None:
    answer = api.http.post(f"/v2/models/{model}/infer", json=body)
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["error"]


def test_a_damaged_file_in_binary_is_refused_with_its_place(
    client: triton.InferenceServerClient, model: str
) -> None:
    with pytest.raises(InferenceServerException, match=r"pixels\[1\]: is a damaged"):
        infer(client, model, [file(picture()), file(picture())[:-200]])


def test_an_element_longer_than_its_bytes_is_refused(api: Api, model: str) -> None:
    tensor = bytes_tensor(parameters={"binary_data_size": 6})
    del tensor["data"]
    head = json.dumps({"inputs": [tensor]}).encode()
    for binary in (b"\xff\xff\xff\xff!!", b"\x03\0\0\0!!", b"\x02\0\0\0!!"[:3] + b"\0\0\0"):
        answer = api.http.post(
            f"/v2/models/{model}/infer",
            content=head + binary,
            headers={"Inference-Header-Content-Length": str(len(head))},
        )
        assert answer.status_code == 400, answer.text
