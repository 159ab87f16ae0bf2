"""The edge: whatever is sent, the answer is a refusal that names the fault."""

import io
import json
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from tests.service.conftest import Api, problem_of, serving

JSON = {"Content-Type": "application/json"}
CORPUS: dict[str, bytes] = {
    "NaN": b'{"training": {"optimizer": {"lr": NaN}}}',
    "infinity": b'{"training": {"optimizer": {"lr": 1e999}}}',
    "lone surrogate": b'{"name": "\\ud800"}',
    "NUL": b'{"name": "a\\u0000b"}',
    "NUL key": b'{"labels": {"a\\u0000": "b"}}',
    "10^100": b'{"training": {"epochs": ' + b"1" + b"0" * 100 + b"}}",
    "long number": b'{"training": {"epochs": ' + b"9" * 10_000 + b"}}",
    "nested lists": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "duplicate keys": b'{"name": "a", "name": "b"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "UTF-8 with a mark": b'\xef\xbb\xbf{"nme": "a"}',
    "not UTF-8": b'{"name": "\xff"}',
    "unknown field": b'{"no such field": 1}',
    "a list": b"[]",
    "a string": b'"x"',
    "cut off": b'{"name": "a"',
    "two documents": b"{} {}",
}
KINDS = [
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/x-msgpack",
]


def json_routes(api: Api) -> list[tuple[str, str]]:
    """Method and path of every route that takes a JSON body, with names filled in."""
    description = api.http.get("/openapi.json").json()
    model = api.publish()
    job = api.submit()
    named = {"{job_id}": job, "{ref}": model, "{name}": model, "{version}": model}
    found = []
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                where = path.replace("{alias}", "edge")
                for name, value in named.items():
                    where = where.replace(name, value)
                found.append((method.upper(), where))
    return found


def test_a_fixed_corpus_at_every_route_is_refused_by_name_and_stores_nothing(api: Api) -> None:
    routes = json_routes(api)
    assert len(routes) >= 8
    before = api.rows()
    for method, path in routes:
        for name, content in CORPUS.items():
            answer = api.http.request(method, path, content=content, headers=JSON)
            told = f"{method} {path}, {name}: {answer.status_code} {answer.text[:300]}"
            if path.startswith("/v2"):
                assert answer.status_code == 400, told
                assert answer.json()["error"], told
            else:
                assert answer.status_code in (409, 422), told
                assert answer.headers["content-type"] == "application/problem+json", told
                assert answer.json()["detail"], told
        for kind in KINDS:
            headers = {"Content-Type": kind}
            answer = api.http.request(method, path, content=b"{}", headers=headers)
            assert answer.status_code in (400, 415), f"{method} {path} {kind}: {answer.text}"
    assert api.rows() == before


@pytest.mark.timeout(1800)
def test_schemathesis_finds_no_fault_and_no_undescribed_answer(
    tmp_path: Path,
    seed: int,
    repeated: Callable[[int], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(tmp_path / "home") as api:
        model, job = api.publish(), api.submit()
        description = api.http.get("/openapi.json").json()
        for operations in description["paths"].values():
            for operation in operations.values():
                for parameter in operation.get("parameters", []):
                    name, schema = parameter["name"], parameter["schema"]
                    if name in {"ref", "a", "b"} or (name == "name" and parameter["in"] == "path"):
                        schema.update(enum=["latest", model, "nobody"])
                    elif name == "job_id":
                        schema.update(enum=[job, "job_none"])
                    elif name == "wait":  # or it would wait for a minute
                        schema.update(maximum=0.1)
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(description))
        (tmp_path / "schemathesis.toml").write_text(
            "max-stream-events = 1  # of streams without end"
        )
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", str(file), "--url", api.service.url, "--seed", str(seed)),
            *("--max-examples", str(repeated(250, 250)), "--request-timeout", "30"),
            *("--phases", "examples,coverage,fuzzing"),
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,"
            "response_schema_conformance,response_headers_conformance",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=1700
        )
    with capsys.disabled():
        cases = [line.strip() for line in done.stdout.splitlines() if "generated" in line]
        print(f"\nschemathesis, seed {seed}: {cases[-1] if cases else done.stdout[-300:]}")
    assert done.returncode == 0, done.stdout[-5000:]


def test_a_chunked_gigabyte_is_refused_and_costs_no_memory(api: Api) -> None:
    process = psutil.Process(api.service.processes["app"].pid)
    before = process.memory_info().rss
    for path in ("/jobs", "/predict", "/v2/models/latest/infer"):

        def gigabyte() -> Any:
            for _ in range(1024):
                yield bytes(2**20)

        try:
            answer = api.http.post(path, content=gigabyte(), headers=JSON)
        except httpx.TransportError:  # the connection ended before all was sent
            pass
        else:
            assert answer.status_code == 413
        more = process.memory_info().rss - before
        assert more < 20 * 2**20, (path, more)


def png_bomb(side: int) -> bytes:
    """A few kilobytes that say they are side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000), 9)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (28, 28), 99).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    {
        "bomb": (png_bomb(30_000), "png"),
        "huge": (png_bomb(2**31 - 1), "png"),
        "short": (png_bomb(4000), "png"),
        "cut off": (picture("PNG")[:-30], "png"),
        "a JPEG called PNG": (picture("JPEG"), "png"),
        "a GIF": (picture("GIF"), "png"),
        "a TIFF": (picture("TIFF"), "jpeg"),
        "a text": (b"hello", "jpeg"),
        "nothing": (b"", "png"),
    }.values(),
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_bad_images_are_refused_at_once(api: Api, content: bytes, kind: str) -> None:
    api.publish()
    headers = {"Content-Type": f"image/{kind}"}
    api.http.post("/predict", content=picture("PNG"), headers={"Content-Type": "image/png"})
    times = []
    for _ in range(3):  # the machine may be busy with something else once
        began = time.monotonic()
        answer = api.http.post("/predict", content=content, headers=headers)
        times.append(time.monotonic() - began)
        problem_of(answer, 422, "invalid_input")
    assert min(times) < 0.2, times
