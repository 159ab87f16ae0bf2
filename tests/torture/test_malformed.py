"""Random and malformed requests at the routes that predict: never a 5xx, and memory stays flat."""

import base64
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from app.images.files import FORMATS
from tests.service.conftest import Api, serving

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
MEMORY = 30 * 2**20
"""Most growth of the process, in bytes."""


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


@pytest.mark.timeout(900)
def test_no_request_is_a_server_error_and_memory_stays_flat(
    seed: int,
    repeated: Callable[[int], int],
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(tmp_path_factory.mktemp("malformed")) as api:
        statuses, grown = bombarded(api, seed, repeated(10_000))
    with capsys.disabled():
        print(f"\n{sum(statuses.values())} requests, seed {seed}: {dict(sorted(statuses.items()))}")
        print(f"  memory grew by {grown / 2**20:.1f} MiB")
    assert statuses[200] > 0
    assert grown < MEMORY


def bombarded(api: Api, seed: int, times: int) -> tuple[Counter[int], int]:
    """The answers' statuses, and by how many bytes the API's memory grew."""
    process = psutil.Process(api.service.processes["app"].pid)
    requests = Requests(seed, api.publish())
    statuses: Counter[int] = Counter()
    settled = 0
    for number in range(times):
        request = requests.build(api.http)
        answer = api.http.send(request)
        told = f"seed {seed}, request {number}: {request.url} {request.headers} {answer.text[:500]}"
        assert answer.status_code < 500, told
        kind = answer.headers["content-type"]
        if answer.status_code != 200:
            protocol = "/v2" in str(request.url)
            assert kind == ("application/json" if protocol else "application/problem+json"), told
            assert answer.json().get("error" if protocol else "detail"), told
        statuses[answer.status_code] += 1
        if number == times // 5:  # by then every path has been taken
            settled = process.memory_info().rss
    return statuses, process.memory_info().rss - settled
