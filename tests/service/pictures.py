"""A made-up model of one's own pictures, and files of pictures for it."""

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from app.images.files import ORIENTATION, open_file
from app.images.preparation import Preparation
from tests import runs
from tests.service.conftest import Api, banded_model

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


def publish(api: Api) -> str:
    """A model of one's own pictures."""
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
