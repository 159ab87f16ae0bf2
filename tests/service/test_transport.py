"""What reaches a route of a request, and how an answer leaves: whatever client sent it."""

import gzip
import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.local import Service
from app.settings import Settings
from tests import databases
from tests.service.conftest import MAX_BODY_BYTES, Api, band, problem_of
from tests.service.test_follow import finished_job
from tests.waiting import until

JSON = {"Content-Type": "application/json"}
SPEC = {"name": "mine", "training": {"epochs": 3}}


def exchange(api: Api, *pieces: bytes) -> bytes:
    """Sends the pieces of a request one by one; the answer, read until the connection ends."""
    address = ("127.0.0.1", api.service.settings.port)
    with socket.create_connection(address, timeout=30) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            raw.sendall(piece)
            time.sleep(0.01)  # so that the service reads it by itself
        return b"".join(iter(lambda: raw.recv(65536), b""))


def request(start: str, *headers: str, body: bytes = b"", length: bool = True) -> bytes:
    lines = [start, "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def body_of(answer: bytes, status: int) -> Any:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    return json.loads(body)


UPGRADES = ["h2c", "websocket", "TLS/1.0", "anything/9"]


@pytest.mark.parametrize("token", UPGRADES)
def test_a_request_that_asks_for_another_protocol_keeps_its_body(api: Api, token: str) -> None:
    content = json.dumps(SPEC).encode()
    asked = (
        "Connection: close, Upgrade, HTTP2-Settings",
        f"Upgrade: {token}",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    whole = request("POST /jobs HTTP/1.1", *asked, body=content)
    for cut in (len(whole), len(whole) - len(content), 40, len(whole) - 5):
        job = body_of(exchange(api, whole[:cut], whole[cut:]), 201)
        assert job["name"] == "mine"
        assert job["spec"]["training"]["epochs"] == 3
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, bytes([byte])) for byte in content) + b"0\r\n\r\n"
    chunked = request("POST /jobs HTTP/1.1", *asked, "Transfer-Encoding: chunked", length=False)
    assert body_of(exchange(api, chunked + chunks), 201)["name"] == "mine"
    api.publish()
    pixels = json.dumps({"inputs": [band(3)]}).encode()
    hot = exchange(api, request("POST /predict HTTP/1.1", *asked, body=pixels))
    assert body_of(hot, 200)["predictions"][0]["index"] == 3


def test_requests_behind_one_that_asks_for_another_protocol_are_answered(api: Api) -> None:
    asked = ("Connection: Upgrade", "Upgrade: h2c")
    asks = request("POST /jobs/validate HTTP/1.1", *asked, body=b"{}")
    last = request("GET /healthz HTTP/1.1", "Connection: close")
    answer = exchange(api, asks * 50 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 51
    assert answer.endswith(b'{"status":"alive"}')


def test_a_request_for_a_tunnel_is_refused(api: Api) -> None:
    answer = exchange(api, b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n")
    assert body_of(answer, 400)["code"] == "bad_request"


@pytest.mark.parametrize("start", [b"GET /" + b"a" * 70_000, b"HELLO /"])
def test_what_cannot_be_read_is_refused_by_a_problem_document(api: Api, start: bytes) -> None:
    answer = exchange(api, start + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert body_of(answer, 400)["code"] == "bad_request"
    assert b"content-type: application/problem+json" in answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/problem+json; charset=utf-8"},
        {"Transfer-Encoding": "chunked"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_an_empty_body_that_was_announced_is_an_error_and_nothing_is_stored(
    api: Api, headers: dict[str, str]
) -> None:
    job, other = finished_job(api), api.submit()
    alias = api.publish()
    before = api.rows()
    with_optional_bodies = [
        ("POST", "/jobs"),
        ("POST", "/jobs/validate"),
        ("POST", f"/jobs/{job}/retry"),
        ("POST", f"/jobs/{other}/lr-range"),
        ("PUT", "/models/aliases/empty"),
        ("PATCH", f"/models/{alias}"),
    ]
    for method, path in with_optional_bodies:
        content = iter([b""]) if "Transfer-Encoding" in headers else b""
        answer = api.http.request(method, path, content=content, headers=headers)
        problem = problem_of(answer, 422, "invalid_body")
        assert next(iter(headers)) in problem["detail"], (method, path)
    assert api.rows() == before


def test_every_route_with_a_body_refuses_an_announced_empty_one(api: Api) -> None:
    """By the API's own description, so that no later route is left out."""
    awaited = api.http.post("/datasets", json={"name": "awaited"}).json()["id"]
    for path, operations in api.http.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                where = path.replace("/datasets/{ref}", f"/datasets/{awaited}")
                where = where.replace("{", "").replace("}", "")
                answer = api.http.request(method, where, content=b"", headers=JSON)
                assert answer.is_client_error, (method, path, answer.text)
                assert "empty" in answer.text or "truncated" in answer.text, answer.text


def test_no_body_at_all_is_the_default(api: Api) -> None:
    assert api.http.post("/jobs/validate").json()["spec"]["name"] == "reference"  # length 0
    none = request("POST /jobs/validate HTTP/1.1", "Connection: close", length=False)
    none = none.replace(b"Content-Type: application/json\r\n", b"")
    assert body_of(exchange(api, none), 200)["spec"]["name"] == "reference"


def test_a_gzip_body_is_read_at_every_kind_of_route(api: Api) -> None:
    packed = JSON | {"Content-Encoding": "gzip"}
    content = gzip.compress(json.dumps(SPEC).encode())
    answer = api.http.post("/jobs", content=content, headers=packed)
    assert answer.json()["name"] == "mine"
    api.publish()
    for path, sent in {
        "/predict": {"inputs": [band(5)]},
        "/v2/models/latest/infer": {
            "inputs": [
                {"name": "pixels", "datatype": "FP32", "shape": [1, 28, 28], "data": band(5)}
            ]
        },
    }.items():
        content = gzip.compress(json.dumps(sent).encode())
        assert api.http.post(path, content=content, headers=packed).status_code == 200, path
    raw = {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}
    assert api.http.post("/predict", content=gzip.compress(bytes(784)), headers=raw).is_success


@pytest.mark.parametrize("path", ["/jobs", "/predict", "/v2/models/latest/infer"])
def test_what_is_packed_otherwise_or_unpacks_to_too_much_is_refused(api: Api, path: str) -> None:
    bomb = gzip.compress(b" " * 1024 * 2**20, 1)[: MAX_BODY_BYTES - 1] if path == "/jobs" else b""
    bomb = bomb or gzip.compress(b" " * (MAX_BODY_BYTES + 1))
    packed = JSON | {"Content-Encoding": "gzip"}
    began = time.monotonic()
    answer = api.http.post(path, content=bomb, headers=packed)
    assert answer.status_code == 413, answer.text
    assert time.monotonic() - began < 5
    whole = gzip.compress(b'{"name": "x"}' * 100)
    for broken in (whole[:-9], whole[:20], b"no gzip at all", whole + b"more"):
        answer = api.http.post(path, content=broken, headers=packed)
        assert answer.status_code in (400, 422), answer.text
        assert "gzip" in answer.text
    for coding in ("br", "deflate", "zstd", "gzip, gzip"):
        answer = api.http.post(path, content=b"{}", headers=JSON | {"Content-Encoding": coding})
        assert answer.status_code == 415, answer.text
        assert answer.headers["accept-encoding"] == "gzip"
        assert "gzip" in answer.text
    plain = api.http.post("/jobs/validate", content=b"{}", headers=JSON | {"Content-Encoding": ""})
    assert plain.status_code == 200


def test_a_byte_order_mark_before_json_is_passed_over(api: Api) -> None:
    mark = b"\xef\xbb\xbf"
    answer = api.http.post("/jobs", content=mark + json.dumps(SPEC).encode(), headers=JSON)
    assert answer.json()["name"] == "mine"
    api.publish()
    content = mark + json.dumps({"inputs": [band(7)]}).encode()
    assert api.http.post("/predict", content=content, headers=JSON).is_success
    tensor = {"name": "pixels", "datatype": "FP32", "shape": [1, 28, 28], "data": band(7)}
    content = mark + json.dumps({"inputs": [tensor]}).encode()
    assert api.http.post("/v2/models/latest/infer", content=content, headers=JSON).is_success


def test_head_answers_as_get_does_without_a_body(fresh: Api) -> None:
    api = fresh  # whose lists show no jobs of other tests
    model, job = api.publish(), finished_job(api)
    named = {"job_id": job, "ref": model, "alias": "latest", "name": model, "version": model}
    paths = [
        path.format_map(named)
        for path, operations in api.http.get("/openapi.json").json()["paths"].items()
        if "get" in operations and path != "/jobs/changes"  # a stream without an end
    ]
    volatile = {"date", "x-request-id"}
    for path in [*paths, "/docs", "/openapi.json", "/nothing", "/jobs/job_none"]:
        got, head = api.http.get(path), api.http.head(path)
        assert head.status_code == got.status_code, path
        assert not head.content
        if path != "/metrics":  # it counts this very request
            assert {k: v for k, v in head.headers.items() if k not in volatile} == {
                k: v for k, v in got.headers.items() if k not in volatile
            }, path


def test_head_of_a_stream_ends_at_once(api: Api) -> None:
    job = api.submit()
    stream = {"Accept": "text/event-stream"}
    for _ in range(3):
        head = api.http.head(f"/jobs/{job}/events", headers=stream)
        assert head.headers["content-type"].startswith("text/event-stream")
    raw = request(f"HEAD /jobs/{job}/events HTTP/1.1", "Accept: text/event-stream", length=False)
    last = request("GET /healthz HTTP/1.1", "Connection: close")
    assert exchange(api, raw + raw + last).endswith(b'{"status":"alive"}')


@pytest.mark.parametrize("path", ["/jobs/", "/models/", "/docs/", "/models/aliases/", "/v2/"])
def test_a_slash_at_the_end_leads_nowhere_else(api: Api, path: str) -> None:
    plain = api.http.get(path[:-1])
    answer = api.http.get(path, headers={"X-Forwarded-Proto": "https"}, follow_redirects=False)
    assert answer.status_code == 200
    assert answer.content == plain.content


def test_a_post_with_a_slash_at_the_end_keeps_its_body(api: Api) -> None:
    assert api.http.post("/jobs/", json=SPEC).json()["name"] == "mine"
    api.publish()
    answer = api.http.post("/predict/", json={"inputs": [band(4)]})
    assert answer.json()["predictions"][0]["index"] == 4


def test_a_stream_for_http_1_0_has_no_chunks_and_ends_with_the_connection(api: Api) -> None:
    job = finished_job(api)
    lines = [f"GET /jobs/{job}/events HTTP/1.0", "Accept: text/event-stream"]
    head, _, body = exchange(api, "\r\n".join([*lines, "", ""]).encode()).partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    messages = body.decode().strip().split("\n\n")
    assert all(message.startswith(("event: ", ": ")) for message in messages), body
    plain = exchange(api, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert plain.endswith(b'\r\n\r\n{"status":"alive"}')
    assert b"content-length: 18" in plain


def test_a_connection_stays_open_for_as_long_as_the_setting_says(tmp_path: Path) -> None:
    assert Settings().keep_alive_seconds > 60, "proxies keep unused connections for a minute"
    service = Service(databases.settings(tmp_path, keep_alive_seconds=1))
    try:
        service.start("app")
        with socket.create_connection(("127.0.0.1", service.settings.port), timeout=10) as raw:
            raw.sendall(request("GET /healthz HTTP/1.1", length=False))
            answer = b"".join(iter(lambda: raw.recv(65536), b""))  # until the service closes
            assert answer.endswith(b'{"status":"alive"}')
    finally:
        service.stop()


def test_an_ipv6_address_stands_in_brackets_in_the_url(tmp_path: Path) -> None:
    assert Settings(host="::1", port=8000).url == "http://[::1]:8000"
    assert Settings(host="127.0.0.1", port=8000).url == "http://127.0.0.1:8000"
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
            port = free.getsockname()[1]
    except OSError:
        pytest.skip("this machine has no IPv6")
    service = Service(databases.settings(tmp_path, host="::1", port=port))
    try:
        service.start("app")
        assert httpx.get(f"{service.url}/healthz").json() == {"status": "alive"}
        assert httpx.get(f"{service.url}/jobs").status_code == 200
    finally:
        service.stop()


def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_error_of_the_service(api: Api) -> None:
    head = request("POST /jobs HTTP/1.1", "Content-Length: 20", body=b"{", length=False)
    with socket.create_connection(("127.0.0.1", api.service.settings.port)) as leaving:
        leaving.sendall(head)
    seen = 'traind_http_requests_total{method="POST",route="/jobs",status="499"}'
    until(lambda: seen in api.http.get("/metrics").text)
