"""The forms of a prediction request: path, media type and body."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MANY = 64
"""Images of a large request."""
PIXELS = np.random.default_rng(0).integers(0, 256, (MANY, 784), np.uint8)


@dataclass(frozen=True)
class Form:
    """A way to ask: path, media type, and the body for some images."""

    path: str
    kind: str
    body: Callable[[Any], bytes]

    def headers(self, body: bytes) -> list[str]:
        """The protocol's binary form says where its JSON ends."""
        if self.kind == BYTES and "/v2" in self.path:
            return [f"Inference-Header-Content-Length: {body.index(END) + len(END)}"]
        return []


def _json(images: Any) -> bytes:
    return json.dumps({"inputs": images.tolist()}, separators=(",", ":")).encode()


def _v2(images: Any) -> bytes:
    tensor = {"name": "pixels", "datatype": "FP32", "shape": list(images.shape)}
    return json.dumps({"inputs": [tensor | {"data": images.ravel().tolist()}]}).encode()


def _v2_binary(images: Any) -> bytes:
    tensor = {
        "name": "pixels",
        "datatype": "FP32",
        "shape": [len(images), 1, 28, 28],
        "parameters": {"binary_data_size": images.size * 4},
    }
    wanted = {"name": "probabilities", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
    return head + images.astype(np.float32).tobytes()


KIND = "application/json"
BYTES = "application/octet-stream"
END = b"true}}]}"
"""Of the JSON part of a binary request."""
JSON = Form("/predict", KIND, _json)
RAW = Form("/predict", BYTES, lambda images: images.tobytes())
V2_NUMBERS = Form("/v2/models/classifier/infer", KIND, _v2)
V2_BINARY = Form("/v2/models/latest/infer", BYTES, _v2_binary)
OURS = {"JSON": JSON, "raw": RAW, "v2 binary": V2_BINARY}
