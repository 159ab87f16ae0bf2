"""POST /predict and /models: arrays, images, names; and every way to be refused."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.images.files import FORMATS
from tests.service.conftest import Api, band, problem_of

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    return api.publish()


def image(
    index: int, kind: str = "PNG", size: tuple[int, int] = (28, 28), mode: str = "L"
) -> bytes:
    drawn = Image.fromarray(np.array(band(index), np.uint8)).convert(mode)
    buffer = io.BytesIO()
    drawn.resize(size, Image.Resampling.NEAREST).save(buffer, kind)
    return buffer.getvalue()


def image_of(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def said(api: Api, inputs: Any, **fields: Any) -> list[int]:
    answer = api.http.post("/predict", json={"inputs": inputs, **fields})
    assert answer.status_code == 200, answer.text
    return [prediction["index"] for prediction in answer.json()["predictions"]]


def flat(index: int) -> list[int]:
    return [pixel for row in band(index) for pixel in row]


ONE = {
    "nested": [band(7)],
    "rows": band(7),
    "flat": flat(7),
    "base64": text(image(7)),
    "data URL": "data:image/png;base64," + text(image(7)),
    "JPEG": text(image(7, "JPEG")),
    "data URL of a .jpg": "data:image/jpg;charset=utf-8;base64," + text(image(7, "JPEG")),
    "data URL of a WebP": "data:image/webp;base64," + text(image(7, "WEBP")),
    "GIF": text(image(7, "GIF")),
    "BMP": text(image(7, "BMP")),
    "data URL of a TIFF": "data:image/tiff;base64," + text(image(7, "TIFF")),
    "another size": text(image(7, size=(300, 150))),
    "colour": text(image(7, mode="RGB")),
    "wrapped": "\n".join(text(image(7))[i : i + 20] for i in range(0, len(text(image(7))), 20)),
}


@pytest.mark.parametrize("one", ONE.values(), ids=ONE.keys())
def test_every_form_of_one_input_gives_its_class_alone_and_in_a_list(
    api: Api, model: str, one: Any
) -> None:
    assert said(api, one, model=model, preprocess="none") == [7]
    assert said(api, [one], model=model, preprocess="none") == [7]
    assert said(api, [one, flat(2), one], model=model, preprocess="none") == [7, 2, 7]


def test_the_answer_names_the_model_and_ranks_the_classes(api: Api, model: str) -> None:
    answer = api.http.post(
        "/predict", json={"inputs": [band(3)], "model": model, "top_k": 2}
    ).json()
    assert answer["model"] == model
    (prediction,) = answer["predictions"]
    assert prediction["label"] == "class 3"
    assert len(prediction["probabilities"]) == 10
    assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert prediction["confidence"] == prediction["probabilities"][3] > 0.5
    assert prediction["top"][0]["index"] == 3
    assert len(prediction["top"]) == 2
    plain = api.http.post("/predict", json={"inputs": [band(3)], "model": model}).json()
    assert "top" not in plain["predictions"][0]


def test_answers_come_in_the_order_of_the_inputs_and_equal_those_of_one_at_a_time(
    api: Api, model: str
) -> None:
    random = np.random.default_rng(0)
    inputs = random.integers(0, 256, (64, 784)).tolist()

    def probabilities(some: Any) -> Any:
        answer = api.http.post("/predict", json={"inputs": some, "model": model}).json()
        return np.array([each["probabilities"] for each in answer["predictions"]])

    together = probabilities(inputs)
    alone = np.concatenate([probabilities([one]) for one in inputs])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    assert len({row.tobytes() for row in together}) == 64


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        *((name, f"image/{name.lower()}") for name in FORMATS),
        ("JPEG", "image/jpg; charset=binary"),
        ("BMP", "image/x-ms-bmp"),
    ],
)
def test_an_image_as_the_body(api: Api, model: str, kind: str, content_type: str) -> None:
    answer = api.http.post(
        f"/predict?model={model}&top_k=3&preprocess=none",
        content=image(5, kind, size=(56, 56)),
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["index"] == 5
    assert len(answer.json()["predictions"][0]["top"]) == 3


def test_pixels_are_in_the_range_of_the_model(api: Api) -> None:
    digits = api.publish(shape=(1, 8, 8))
    small = band(5, (8, 8), 16)
    predicted = api.http.post("/predict", json={"inputs": [small], "model": digits}).json()
    (best,) = predicted["predictions"]
    drawn = Image.fromarray((np.array(small) * 255 // 16).astype(np.uint8))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    from_image = api.http.post(
        f"/predict?model={digits}", content=buffer.getvalue(), headers={"Content-Type": "image/png"}
    ).json()
    assert from_image["predictions"][0]["probabilities"] == pytest.approx(best["probabilities"])
    document = problem_of(
        api.http.post("/predict", json={"inputs": [[17] * 64], "model": digits}),
        422,
        "invalid_input",
    )
    assert "from 0 to 16" in document["detail"]


def test_doubtful_inputs_carry_warnings_and_others_do_not(api: Api, model: str) -> None:
    blank = text(image_of(Image.new("L", (90, 70), 255)))
    inputs = [flat(1), [1, *[0] * 783], blank, text(image(7)), [3] * 784]
    body = {"inputs": inputs, "model": model, "preprocess": "mnist", "top_k": 1}
    found = api.http.post("/predict", json=body).json()["predictions"]
    codes = [[each["code"] for each in one.get("warnings", [])] for one in found]
    assert [codes[index] for index in (0, 1, 2, 4)] == [[], ["pixel_range"], ["blank"], ["blank"]]
    assert "warnings" not in found[0]
    assert "pixel_range" in found[1]["warnings"][0]["detail"]
    assert found[2]["probabilities"] == [0.1] * 10
    assert found[2]["confidence"] == found[2]["top"][0]["confidence"] == 0.1


def test_warnings_come_with_every_kind_of_body_and_are_described(api: Api, model: str) -> None:
    bodies = {
        "image/png": image_of(Image.new("L", (28, 28))),
        "application/octet-stream": bytes(784),
        "application/json": json.dumps({"inputs": [[0] * 784]}).encode(),
    }
    for kind, body in bodies.items():
        headers = {"Content-Type": kind}
        answer = api.http.post(f"/predict?model={model}", content=body, headers=headers).json()
        assert [each["code"] for each in answer["predictions"][0]["warnings"]] == ["blank"], kind
    schemas = api.http.get("/openapi.json").json()["components"]["schemas"]
    assert "warnings" in schemas["Prediction"]["properties"]
    assert "blank" in schemas["PredictionWarning"]["properties"]["code"]["enum"]


GOOD = flat(1)
ZEROS = [0] * 784
CUT = image(1)[:-30]
WRONG: list[tuple[str, str, str, str]] = [
    ("NaN", json.dumps({"inputs": [GOOD, [float("nan")] * 784]}), "invalid_body", ""),
    ("infinite", '{"inputs": [[1e999]]}', "invalid_input", "/inputs/0"),
    ("too bright", json.dumps({"inputs": [GOOD, [256, *ZEROS[1:]]]}), "invalid_input", "/inputs/1"),
    ("too dark", json.dumps({"inputs": [GOOD, [-1, *ZEROS[1:]]]}), "invalid_input", "/inputs/1"),
    ("short", json.dumps({"inputs": [GOOD, GOOD, ZEROS[1:]]}), "invalid_input", "/inputs/2"),
    ("27 rows", json.dumps({"inputs": [band(1)[1:]]}), "invalid_input", "/inputs/0"),
    ("ragged", json.dumps({"inputs": [[*band(1)[1:], [0]]]}), "invalid_input", "/inputs/0"),
    ("text pixels", json.dumps({"inputs": [["0"] * 784]}), "invalid_input", "/inputs/0"),
    ("true pixels", json.dumps({"inputs": [[True] * 784]}), "invalid_input", "/inputs/0"),
    ("null pixels", json.dumps({"inputs": [[None] * 784]}), "invalid_input", "/inputs/0"),
    ("an object", json.dumps({"inputs": [{}]}), "invalid_input", "/inputs/0"),
    ("a number", json.dumps({"inputs": 5}), "invalid_input", "/inputs/0"),
    ("null", json.dumps({"inputs": None}), "invalid_input", "/inputs/0"),
    ("five deep", json.dumps({"inputs": [[[band(1)]]]}), "invalid_input", "/inputs/0"),
    ("none", json.dumps({"inputs": []}), "invalid_body", "/inputs"),
    ("too many", json.dumps({"inputs": [[0]] * 1025}), "invalid_body", "/inputs"),
    ("corrupt PNG", json.dumps({"inputs": [text(b"\x89PNG\r\n\x1a\n" + bytes(50))]}),
     "invalid_input", "/inputs/0"),
    ("cut PNG", json.dumps({"inputs": [text(CUT)]}), "invalid_input", "/inputs/0"),
    ("TGA", json.dumps({"inputs": [text(image(1, "TGA"))]}), "invalid_input", "/inputs/0"),
    ("mislabelled", json.dumps({"inputs": ["data:image/png;base64," + text(image(1, "JPEG"))]}),
     "invalid_input", "/inputs/0"),
    ("no base64", json.dumps({"inputs": [GOOD, "äöü"]}), "invalid_input", "/inputs/1"),
    ("empty text", json.dumps({"inputs": [""]}), "invalid_input", "/inputs/0"),
    ("surrogate", '{"inputs": ["\\ud800"]}', "invalid_body", ""),
    ("no inputs", '{"model": "latest"}', "invalid_body", "/inputs"),
    ("unknown field", '{"inputs": [[0]], "topk": 3}', "invalid_body", "/topk"),
    ("top_k 0", '{"inputs": [[0]], "top_k": 0}', "invalid_body", "/top_k"),
    ("top_k huge", '{"inputs": [[0]], "top_k": 1' + "0" * 100 + "}", "invalid_body", "/top_k"),
    ("model 3", '{"inputs": [[0]], "model": 3}', "invalid_body", "/model"),
    ("model NUL", '{"inputs": [[0]], "model": "a\\u0000"}', "invalid_body", "/model"),
    ("a list", "[1]", "invalid_body", ""),
    ("empty", "", "invalid_body", ""),
    ("deep", '{"inputs": ' + "[" * 100_000, "invalid_body", ""),
    ("deep in one", '{"inputs": [' + "[" * 300 + "]" * 300 + "]}", "invalid_input", "/inputs/0"),
    ("cut JSON", '{"inputs": [[1, 2', "invalid_body", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code", "pointer"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_wrong_inputs_name_the_input_and_store_nothing(
    api: Api, model: str, body: str, code: str, pointer: str
) -> None:
    before = api.rows()
    answer = api.http.post(f"/predict?model={model}", content=body, headers=JSON)
    document = problem_of(answer, 422, code)
    assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert api.rows() == before


@pytest.mark.parametrize("given", ["1,1", "1,0", "0,1e-300", "-1e308,1e308", "0,inf", "0,nan"])
def test_a_range_of_no_width_is_refused_from_query_and_body(
    api: Api, model: str, given: str
) -> None:
    body = {"inputs": [flat(1)], "model": model}
    answer = api.http.post(f"/predict?pixel_range={given}", json=body)
    document = problem_of(answer, 422, "invalid_request")
    assert "pixel_range must run" in document["errors"][0]["detail"]
    text = json.dumps(body)[:-1] + f', "pixel_range": [{given}]}}'
    answer = api.http.post("/predict", content=text, headers=JSON)
    document = problem_of(answer, 422, "invalid_body")
    if "inf" not in given and "nan" not in given:  # those are no JSON at all
        assert document["errors"][0]["pointer"] == "/pixel_range"


def test_a_wrong_shape_says_what_was_expected(api: Api, model: str) -> None:
    answer = api.http.post("/predict", json={"inputs": [[0] * 783], "model": model})
    detail = problem_of(answer, 422, "invalid_input")["detail"]
    assert "[783]" in detail
    assert "[1, 28, 28] or [28, 28], or 784 numbers in a row" in detail


@pytest.mark.parametrize(
    ("kind", "content", "advice"),
    [
        ("image/png", CUT, "damaged or cut off PNG"),
        ("image/png", image(1, "JPEG"), "is not a PNG image"),
        ("image/jpeg", image(1), "is not a JPEG image"),
        ("image/jpeg", image(1, "JPEG")[:-200], "JPEG"),
        ("image/png", b"", "is empty"),
        ("image/png", image(1, size=(8193, 1)), "at most 8192 x 8192"),
    ],
)
def test_a_wrong_image_body_is_refused(
    api: Api, model: str, kind: str, content: bytes, advice: str
) -> None:
    url = f"/predict?model={model}"
    answer = api.http.post(url, content=content, headers={"Content-Type": kind})
    assert advice in problem_of(answer, 422, "invalid_input")["detail"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "image/svg+xml", "multipart/form-data; boundary=x", ""]
)
def test_another_kind_of_body_is_refused(api: Api, kind: str) -> None:
    answer = api.http.post("/predict", content=b"x", headers={"Content-Type": kind})
    assert "image/png" in problem_of(answer, 415, "unsupported_media_type")["detail"]


@pytest.mark.parametrize(
    "body", [b'{"inputs": "@"}', b'{"inputs": [["@"]]}', b'{"inputs": [[0]], "model": "@"}']
)
def test_json_that_is_not_utf_8_is_refused_wherever_it_stands(api: Api, body: bytes) -> None:
    content = body.replace(b"@", b"\x81")
    answer = api.http.post(
        "/predict", content=content, headers={"Content-Type": "application/json"}
    )
    assert "utf-8" in problem_of(answer, 422, "invalid_body")["detail"]


def test_an_unknown_model_is_a_404_problem(api: Api) -> None:
    answer = api.http.post("/predict", json={"inputs": [[0]], "model": "nobody"})
    assert "GET /models" in problem_of(answer, 404, "model_not_found")["detail"]
    for path in ("", "/weights", "/onnx"):
        problem_of(api.http.get(f"/models/model_x{path}"), 404, "model_not_found")
