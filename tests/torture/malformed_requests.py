"""Random requests to the routes that predict, half of them nearly right."""

import base64
import io
import json
import random
from typing import Any

import httpx
from PIL import Image

from app.images.files import FORMATS

PATHS = [
    "/predict",
    "/models/latest/predict",
    "/v2/models/latest/infer",
    "/v2/models/latest/versions/{model}/infer",
]
TYPES = [
    "application/json",
    "application/octet-stream",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/tiff",
    "application/json; charset=utf-16",
    "application/vnd.x+json",
    "text/plain",
    "",
    "a/b; =;",
]
TEXTS = ["", "0", "latest", "\0", "\ud800", "é" * 70, "-1", "1e999", "NaN", "0,1", "none", "💥"]
CORPUS = [
    b"",
    b"{",
    b"null",
    b"NaN",
    b'{"inputs": NaN}',
    b'{"inputs": [1e999]}',
    b'{"inputs": [' + b"9" * 5000 + b"]}",
    b'{"inputs": "\\ud800"}',
    b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"[" * 100_000,
    b'{"inputs": 1, "inputs": 2}',
    '{"inputs": [[0]]}'.encode("utf-16"),
    b'{"inputs": [[0]], "\x00": 1}',
    b"\xff" * 100,
    b"\x89PNG\r\n\x1a\n",
]
FIRST_BYTES = {
    b"\x89PNG": "png",
    b"\xff\xd8": "jpeg",
    b"RIFF": "webp",
    b"GIF": "gif",
    b"BM": "bmp",
    b"II*": "tiff",
}
NUMBERS = [0, 1, -1, 255, 256, 2**31, 2**63, 2**64, 10**100, 0.5, -0.0, 1e308, 1e-320]
DATES = [
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-W01",
    "20261126",
    "2026-02-30",
    "2026-11-26T25:00",
    "\ud800",
    "\0",
]
"""Texts at the edge of what a date can be."""


class Requests:
    """Requests of one seed, half of them nearly right."""

    def __init__(self, seed: int, model: str) -> None:
        self._random = random.Random(seed)
        self._model = model

    def build(self, client: httpx.Client) -> httpx.Request:
        """The next request."""
        chance = self._random
        path = chance.choice(PATHS).replace("{model}", self._model)
        content = self._mutated(self._body(path)) if chance.random() < 0.5 else self._body(path)
        headers = {"Content-Type": chance.choice(TYPES)} if chance.random() < 0.5 else {}
        headers = headers or {"Content-Type": self._fitting(content)}
        if "/v2" in path and chance.random() < 0.5:
            lengths = ["0", "-1", str(len(content)), str(2**70), "x", str(chance.randrange(300))]
            headers["Inference-Header-Content-Length"] = chance.choice(lengths)
        query = {}
        if chance.random() < 0.3:
            names = ["model", "top_k", "preprocess", "pixel_range", "other"]
            query = {chance.choice(names): chance.choice(TEXTS).encode("utf-8", "replace")}
        return client.build_request("POST", path, params=query, content=content, headers=headers)

    def _body(self, path: str) -> bytes:
        chance = self._random
        if chance.random() < 0.15:
            return chance.choice(CORPUS)
        if "/v2" in path:
            return json.dumps(self._infer()).encode()
        if chance.random() < 0.3:
            return chance.choice([self._file(), bytes(784 * chance.randrange(4)), self._noise()])
        return json.dumps(self._predict()).encode()

    def _predict(self) -> Any:
        chance = self._random
        image = base64.b64encode(self._file()).decode()
        inputs: list[Any] = [
            [[0] * 784],
            [[chance.choice(NUMBERS) for _ in range(784)]],
            [[0.0] * 783],
            [[[0] * 28] * 28],
            image,
            [image, [0] * 784],
            [self._value(3)],
            self._value(4),
            [],
            [[0] * 784] * 20,
        ]
        body = {"inputs": chance.choice(inputs)}
        for name in ("model", "top_k", "preprocess", "pixel_range", "other"):
            if chance.random() < 0.15:
                body[name] = chance.choice(["latest", 3, "none", [0, 1], self._value(2)])
        return body

    def _infer(self) -> Any:
        chance = self._random
        tensor: dict[str, Any] = {
            "name": "pixels",
            "datatype": chance.choice(["FP32", "FP32", "UINT8", "BYTES", "FP16", "BOOL", ""]),
            "shape": chance.choice([[1, 1, 28, 28], [1, 784], [-1], [2**40, 2**40], [0], "x"]),
            "data": chance.choice([[0] * 784, [0.5] * 784, [], self._value(3)]),
        }
        if tensor["datatype"] == "BYTES" and chance.random() < 0.7:
            file = self._file() if chance.random() < 0.5 else self._mutated(self._file())
            tensor |= {"shape": [1], "data": [base64.b64encode(file).decode()]}
        if chance.random() < 0.2:
            del tensor[chance.choice(list(tensor))]
        if chance.random() < 0.2:
            size = chance.choice([*NUMBERS, "x"])
            tensor["parameters"] = {"binary_data_size": size}
        body: dict[str, Any] = {"inputs": chance.choice([[tensor], [tensor] * 2, tensor, []])}
        for name in ("id", "outputs", "parameters"):
            if chance.random() < 0.2:
                body[name] = self._value(3)
        return body

    def _value(self, depth: int) -> Any:
        chance = self._random
        kind = chance.randrange(6 if depth else 4)
        if kind == 0:
            return chance.choice([None, True, False])
        if kind == 1:
            return chance.choice(NUMBERS)
        if kind in (2, 3):
            return chance.choice(TEXTS)
        if kind == 4:
            return [self._value(depth - 1) for _ in range(chance.randrange(4))]
        keys = [chance.choice([*TEXTS, "name", "binary_data", "classification"]) for _ in range(3)]
        return {key: self._value(depth - 1) for key in keys}

    def _file(self) -> bytes:
        buffer = io.BytesIO()
        side = self._random.choice([1, 8, 28, 200])
        picture = Image.new(self._random.choice(["L", "RGB"]), (side, side), 200)
        picture.save(buffer, self._random.choice([*FORMATS, "PPM"]))
        return buffer.getvalue()

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randrange(3000))

    def _mutated(self, content: bytes) -> bytes:
        chance = self._random
        changed = bytearray(content)
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(changed) + 1)
            match chance.randrange(4):
                case 0:
                    changed[at:at] = chance.randbytes(chance.randrange(5))
                case 1:
                    del changed[at : at + chance.randrange(20)]
                case 2 if at < len(changed):
                    changed[at] ^= 1 << chance.randrange(8)
                case _:
                    changed[at:at] = chance.choice([b"[", b"]", b"}", b",", b'"', b"1e999", b"NaN"])
        return bytes(changed)

    def _fitting(self, content: bytes) -> str:
        if content[:1] in b"{[":
            return "application/json"
        kinds = [kind for first, kind in FIRST_BYTES.items() if content.startswith(first)]
        return f"image/{kinds[0]}" if kinds else "application/octet-stream"


class RowRequests(Requests):
    """Requests to a model of a table."""

    def _predict(self) -> Any:
        chance = self._random
        inputs: list[Any] = [
            self._row(),
            [self._row() for _ in range(chance.randrange(4))],
            [self._row()] * 1025,
            [[41, "nurse"]],
            {str(number): number for number in range(5000)},
            self._value(4),
            [self._value(3)],
        ]
        body = {"inputs": chance.choice(inputs)}
        for name in ("model", "top_k", "preprocess", "pixel_range", "other"):
            if chance.random() < 0.05:
                body[name] = chance.choice(["latest", 3, "none", [0, 1], self._value(2)])
        return body

    def _row(self) -> dict[str, Any]:
        """A row of the columns of tests/service/rows.py, a part of them odd."""
        chance = self._random
        row: dict[str, Any] = {
            "age": chance.choice([41, "41", None] * 6 + NUMBERS),
            "job": chance.choice(["nurse", "pilot", None] * 6 + TEXTS),
            "born": chance.choice(["1972-09-27", ""] * 8 + DATES),
        }
        if chance.random() < 0.3:
            row[chance.choice([*row, *TEXTS])] = self._value(3)
        if chance.random() < 0.2:
            del row[chance.choice(list(row))]
        return row

    def _infer(self) -> Any:
        chance = self._random
        row = self._row()
        tensors = [self._tensor(name, value) for name, value in row.items()]
        if chance.random() < 0.2:
            tensors.append(chance.choice(tensors))
        body: dict[str, Any] = {"inputs": tensors}
        for name in ("id", "outputs", "parameters"):
            if chance.random() < 0.1:
                body[name] = self._value(3)
        return body

    def _tensor(self, name: str, value: Any) -> dict[str, Any]:
        chance = self._random
        usual = "BYTES" if isinstance(value, str) else "FP64"
        tensor: dict[str, Any] = {
            "name": name,
            "datatype": chance.choice([usual] * 9 + ["BOOL", "FP16", "INT64", "BYTES", ""]),
            "shape": chance.choice([[1, 1]] * 9 + [[1], [2], [0], [2**40], [-1], [1, 1, 1], "x"]),
            "data": chance.choice([[value]] * 9 + [[[value]], [], self._value(3)]),
        }
        if chance.random() < 0.05:
            del tensor[chance.choice(list(tensor))]
        if chance.random() < 0.1:
            tensor["parameters"] = {"binary_data_size": chance.choice([*NUMBERS, "x", None])}
        return tensor
