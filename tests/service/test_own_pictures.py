"""Models of one's own pictures: image files of any size are prepared as at the import."""

import base64
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tritonclient.utils import InferenceServerException

from app.images.files import FORMATS, ORIENTATION, open_file
from app.images.preparation import Preparation
from tests import runs
from tests.service.conftest import Api, banded_model, problem_of

SHAPE = (3, 24, 32)
GROUND = (10, 200, 30)
KEPT = {"fit": "pad", "ground": list(GROUND)}
RAW = {"Content-Type": "application/octet-stream"}
PNG = {"Content-Type": "image/png"}
JSON = {"Content-Type": "application/json"}


def sensitive_graph() -> bytes:
    """A graph whose probabilities change in the digits shown with a single step of any pixel."""
    size = int(np.prod(SHAPE))
    weights = np.random.default_rng(0).choice([-1e-4, 1e-4], (size, 10)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pixels"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "sensitive",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(weights, "weights")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    lease = api.start(api.submit())
    plain = banded_model(shape=SHAPE)
    signature = plain.signature | {"pixel_range": [0, 255], "preparation": KEPT}
    files = plain.files | {"onnx": sensitive_graph()}
    with api.database.write() as connection:
        return runs.succeed(connection, lease, replace(plain, signature=signature, files=files))


def picture(width: int = 90, height: int = 50) -> Image.Image:
    """A smooth picture in colours."""
    small = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def imported(content: bytes) -> NDArray[np.uint8]:
    """What an import makes of the file."""
    return Preparation.from_json(KEPT).prepare(open_file(content), SHAPE)


def asked(api: Api, model: str, content: Any, headers: dict[str, str], query: str = "") -> Any:
    answer = api.http.post(f"/predict?model={model}{query}", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def probabilities_of(api: Api, model: str, content: bytes) -> Any:
    """The answer for the file's pixels, as its import has them."""
    (prediction,) = asked(api, model, imported(content).tobytes(), RAW)
    return prediction["probabilities"]


def as_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def clear(mode: str = "RGBA") -> Image.Image:
    """A picture that is transparent on the left."""
    image = picture().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").rotate(90).resize(image.size))
    return image.convert(mode)


FILES = {
    **{kind: (kind, file(picture(), kind)) for kind in FORMATS},
    **{f"turned by {n}": ("JPEG", file(picture(), "JPEG", exif=turned(n))) for n in range(2, 9)},
    "turned TIFF": ("TIFF", file(picture(), "TIFF", exif=turned(6))),
    "turned WebP": ("WEBP", file(picture(), "WEBP", exif=turned(8))),
    "transparent PNG": ("PNG", file(clear())),
    "transparent grey": ("PNG", file(clear("LA"))),
    "transparent WebP": ("WEBP", file(clear(), "WEBP")),
    "transparent GIF": ("GIF", file(clear(), "GIF")),
    "grey": ("PNG", file(picture().convert("L"))),
    "two colours": ("PNG", file(picture().convert("1"))),
    "palette": ("PNG", file(picture().quantize(16))),
    "CMYK": ("JPEG", file(picture().convert("CMYK"), "JPEG")),
    "moving GIF": ("GIF", file(picture(), "GIF", save_all=True, append_images=[picture(91, 51)])),
    "of the shape": ("PNG", file(picture(32, 24))),
    "one pixel": ("PNG", file(picture(1, 1))),
    "a line": ("PNG", file(picture(8192, 1))),
    "12 megapixels": ("JPEG", file(picture(4000, 3000), "JPEG")),
    "12 megapixels, turned": ("JPEG", file(picture(4000, 3000), "JPEG", exif=turned(6))),
}


@pytest.mark.parametrize(("kind", "content"), FILES.values(), ids=FILES.keys())
def test_a_file_is_seen_as_its_import_would_have_made_it(
    api: Api, model: str, kind: str, content: bytes
) -> None:
    expected = probabilities_of(api, model, content)
    media = f"image/{kind.lower()}"
    (body,) = asked(api, model, content, {"Content-Type": media})
    assert body["probabilities"] == expected
    for text in (as_text(content), f"data:{media};base64,{as_text(content)}"):
        (listed,) = asked(api, model, json.dumps({"inputs": [text]}), JSON)
        assert listed["probabilities"] == expected


def test_a_step_of_one_pixel_would_be_seen(api: Api, model: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, SHAPE).astype(np.uint8)
    (before,) = asked(api, model, pixels.tobytes(), RAW)
    for place in range(0, pixels.size, 97):
        changed = pixels.copy()
        changed.flat[place] += 1
        (after,) = asked(api, model, changed.tobytes(), RAW)
        assert after["probabilities"] != before["probabilities"]


def test_files_and_pixels_may_be_mixed(api: Api, model: str) -> None:
    contents = [file(picture()), file(picture(20, 80), "JPEG")]
    pixels = [imported(content) for content in contents]
    inputs = [as_text(contents[0]), pixels[1].tolist(), as_text(contents[1]), pixels[0].tolist()]
    found = asked(api, model, json.dumps({"inputs": inputs}), JSON)
    rows = [each["probabilities"] for each in found]
    expected = [probabilities_of(api, model, contents[index]) for index in (0, 1, 1, 0)]
    np.testing.assert_allclose(rows, expected, atol=2e-6)


@pytest.mark.parametrize("preprocess", ["mnist", "none"])
def test_preprocessing_of_digits_is_refused_where_it_was_said(
    api: Api, model: str, preprocess: str
) -> None:
    content = file(picture())
    text = json.dumps({"inputs": [as_text(content)]})
    for sent, headers in ((content, PNG), (text, JSON), (imported(content).tobytes(), RAW)):
        url = f"/predict?model={model}&preprocess={preprocess}"
        answer = api.http.post(url, content=sent, headers=headers)
        (error,) = problem_of(answer, 422, "invalid_request")["errors"]
        assert error["parameter"] == "preprocess"
        assert error["detail"].startswith(f"{preprocess} is for models of built-in datasets")
        assert "Leave preprocess out" in error["detail"]
    body = {"inputs": [as_text(content)], "preprocess": preprocess, "model": model}
    document = problem_of(api.http.post("/predict", json=body), 422, "invalid_body")
    assert [error["pointer"] for error in document["errors"]] == ["/preprocess"]


def test_auto_is_what_happens_anyway(api: Api, model: str) -> None:
    content = file(picture())
    (said,) = asked(api, model, content, PNG, "&preprocess=auto")
    assert said["probabilities"] == probabilities_of(api, model, content)


def test_a_range_counts_for_pixels_and_not_for_files(api: Api, model: str) -> None:
    content = file(picture())
    body = {"inputs": [as_text(content), (imported(content) / 255).tolist()]}
    found = asked(api, model, json.dumps(body | {"pixel_range": [0, 1]}), JSON)
    expected = probabilities_of(api, model, content)
    for each in found:
        assert each["probabilities"] == pytest.approx(expected, abs=2e-6)


def test_pixels_may_have_their_channels_first_or_last_or_be_in_a_row(api: Api, model: str) -> None:
    content = file(picture())
    pixels = imported(content)
    expected = probabilities_of(api, model, content)
    for form in (pixels, pixels.transpose(1, 2, 0), pixels.ravel()):
        for inputs in (form.tolist(), [form.tolist()], [form.tolist()] * 2):
            found = asked(api, model, json.dumps({"inputs": inputs}), JSON)
            for each in found:
                assert each["probabilities"] == pytest.approx(expected, abs=2e-6)
    turned_over = pixels.transpose(2, 1, 0).tolist()
    answer = api.http.post("/predict", json={"inputs": [turned_over], "model": model})
    detail = problem_of(answer, 422, "invalid_input")["detail"]
    assert "[3, 24, 32] or [24, 32, 3], or 2304 numbers in a row" in detail


def test_doubts_about_sheets_of_digits_do_not_come(api: Api, model: str) -> None:
    sheet = Image.new("L", (200, 150), 0)  # a dark table
    sheet.paste(250, (20, 20, 180, 130))  # with a sheet of faint strokes
    for left in (50, 120):
        sheet.paste(240, (left, 40, left + 10, 110))
    (found,) = asked(api, model, file(sheet), PNG)
    assert "warnings" not in found
    (blank,) = asked(api, model, file(Image.new("RGB", (32, 24), "white")), PNG)
    assert [each["code"] for each in blank["warnings"]] == ["blank"]
    assert len(set(blank["probabilities"])) > 1  # the model's own answer


def test_a_damaged_file_is_refused_with_its_place(api: Api, model: str) -> None:
    whole = as_text(file(picture()))
    cut = as_text(file(picture())[:-200])
    answer = api.http.post("/predict", json={"inputs": [whole, cut], "model": model})
    (error,) = problem_of(answer, 422, "invalid_input")["errors"]
    assert error["pointer"] == "/inputs/1"


def test_the_model_shows_its_preparation_and_others_have_none(api: Api, model: str) -> None:
    assert api.http.get(f"/models/{model}").json()["preparation"] == KEPT
    assert api.http.get(f"/models/{api.publish()}").json()["preparation"] is None


def test_the_card_says_how_pictures_are_prepared(api: Api, model: str) -> None:
    card = api.http.get(f"/models/{model}/card").text
    assert "scaled whole and padded, transparent pixels on\nrgb\\(10, 200, 30\\)" in card
    assert "images of 3 x 24 x 32 pixels" in card
    assert "padded" not in api.http.get(f"/models/{api.publish()}/card").text


def test_the_report_shows_pictures_in_colour(api: Api, model: str) -> None:
    for mistake in api.http.get(f"/models/{model}/report").json()["worst_mistakes"]:
        content = base64.b64decode(mistake["image"].partition(",")[2])
        shown = Image.open(io.BytesIO(content))
        assert (shown.mode, shown.size) == ("RGB", (32, 24))


def test_models_of_different_shapes_are_compared_by_their_answers(api: Api, model: str) -> None:
    grey = api.publish()
    found = api.http.get(f"/models/compare?a={model}&b={grey}")
    assert found.status_code == 200, found.text
    assert found.json()["difference"]["value"] == 0


def infer(client: triton.InferenceServerClient, model: str, pixels: Any, **parameters: Any) -> Any:
    """The probabilities that Triton's client gets for files, sent in binary."""
    elements = np.array(pixels, object)
    wanted = triton.InferInput("pixels", list(elements.shape), "BYTES")
    wanted.set_data_from_numpy(elements)
    return client.infer(model, [wanted], parameters=parameters or None)


@pytest.fixture(scope="module")
def client(api: Api) -> Any:
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
