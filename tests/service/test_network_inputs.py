"""What the network sees of a picture, as a PNG."""

import io

import numpy as np
from PIL import Image

from tests.service.conftest import Api, band, problem_of
from tests.service.pictures import PNG, picture, publish


def png_of(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_a_file_is_shown_as_predict_prepares_it(api: Api) -> None:
    model = publish(api)
    file = png_of(picture())
    shown = api.http.post(f"/models/{model}/input", content=file, headers=PNG)
    assert shown.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(shown.content))
    assert (image.size, image.mode) == ((32, 24), "RGB")
    # what is shown, sent as pixels, is answered as the file is
    pixels = np.asarray(image).transpose(2, 0, 1).tolist()
    from_file = api.http.post(f"/models/{model}/predict", content=file, headers=PNG).json()
    from_pixels = api.http.post(f"/models/{model}/predict", json={"inputs": [pixels]}).json()
    assert from_file["predictions"] == from_pixels["predictions"]


def test_a_grey_model_shows_grey_and_preprocess_counts(api: Api) -> None:
    model = api.publish()
    file = png_of(Image.fromarray(np.array(band(3), np.uint8)))
    shown = api.http.post(f"/models/{model}/input", content=file, headers=PNG)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(shown.content))), band(3))
    other = api.http.post(f"/models/{model}/input?preprocess=mnist", content=file, headers=PNG)
    assert other.content != shown.content


def test_what_cannot_be_shown_says_why(api: Api) -> None:
    model, own = api.publish(), publish(api)
    path = f"/models/{model}/input"
    problem_of(api.http.post(path, json={}), 415, "unsupported_media_type")
    problem_of(api.http.post(path, content=b"no picture", headers=PNG), 422, "invalid_input")
    missing = api.http.post("/models/nobody/input", content=b"x", headers=PNG)
    problem_of(missing, 404, "model_not_found")
    refused = api.http.post(
        f"/models/{own}/input?preprocess=mnist", content=png_of(picture()), headers=PNG
    )
    problem_of(refused, 422, "invalid_request")
