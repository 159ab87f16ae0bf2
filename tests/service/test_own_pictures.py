"""Models of one's own pictures: image files of any size are prepared as at the import."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from app.images.files import FORMATS
from tests.service.conftest import Api, problem_of
from tests.service.pictures import (
    JSON,
    KEPT,
    PNG,
    RAW,
    SHAPE,
    as_text,
    asked,
    clear,
    file,
    imported,
    picture,
    probabilities_of,
    publish,
    turned,
)


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    return publish(api)


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
