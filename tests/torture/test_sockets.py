"""The edge: slow, dropped and greedy clients hold nobody else up."""

import math
import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event

import httpx
import psutil
import pytest

from app.store import keys
from app.store.keys import Limits, Scope
from tests.service.conftest import Api, band, serving
from tests.waiting import HANG_SECONDS

JSON = {"Content-Type": "application/json"}
SLOW = 200
CLOSED_WITHIN = 15.0
IN_A_BODY = (
    b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n{"
)
BEGUN = [b"", b"POST /jobs HTTP/1.1\r\nX-Slow: ", b"POST /jobs" + IN_A_BODY]
BEGUN += [b"POST /predict" + IN_A_BODY]


def is_closed(slow: socket.socket, *, sends: bool) -> bool:
    try:
        if sends:
            slow.send(b"a")  # a byte now and then, as slow senders do
        return slow.recv(1000) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def send_slowly(api: Api) -> httpx.Response:
    """A body that takes longer than a slow request may, and comes on all the time."""
    body = b'{"name": "' + b" " * 120_000 + b'"}'

    def slowly() -> Iterator[bytes]:
        for begin in range(0, len(body), 12_000):
            yield body[begin : begin + 12_000]
            time.sleep(1.0)

    return api.http.post("/jobs/validate", content=slowly(), headers=JSON)


def test_slow_sockets_hold_nobody_up_and_are_closed_but_a_slow_line_is_served(api: Api) -> None:
    with ExitStack() as stack:
        line = stack.enter_context(ThreadPoolExecutor()).submit(send_slowly, api)
        port = int(api.service.url.rpartition(":")[2])
        began = time.monotonic()
        slow = {}
        for number in range(SLOW):
            sent = BEGUN[number % len(BEGUN)]
            each = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            each.sendall(sent)
            each.setblocking(False)
            slow[each] = bool(sent)
        times = []
        while slow and time.monotonic() - began < CLOSED_WITHIN:
            asked = time.monotonic()
            assert api.http.get("/healthz").status_code == 200
            times.append(time.monotonic() - asked)
            slow = {each: sends for each, sends in slow.items() if not is_closed(each, sends=sends)}
            time.sleep(0.2)
        assert line.result().status_code == 422
    assert not slow, len(slow)
    assert quantile(times, 0.99) < 1


def quantile(times: list[float], part: float) -> float:
    return sorted(times)[math.ceil(part * len(times)) - 1]


def test_a_key_that_asks_too_much_does_not_slow_the_others(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        api.publish()
        with api.database.write() as connection:
            made = [
                keys.create(
                    connection, name, frozenset([Scope.PREDICT]), Limits(requests_per_second=rate)
                )[1]
                for name, rate in (("greedy", 20), ("modest", None))
            ]
        greedy, modest = ({"Authorization": f"Bearer {token}"} for token in made)
        body = {"inputs": [band(3)]}

        def ask(headers: dict[str, str]) -> tuple[float, httpx.Response]:
            began = time.monotonic()
            answer = api.http.post("/predict", json=body, headers=headers)
            return time.monotonic() - began, answer

        time.sleep(0.5)  # the keys are known
        alone = [ask(modest) for _ in range(200)]
        flooding = Event()
        refused: list[httpx.Response] = []

        def flood() -> None:
            with httpx.Client(base_url=api.service.url) as client:
                while not flooding.is_set():
                    answer = client.post("/predict", json=body, headers=greedy)
                    if answer.status_code != 200:
                        refused.append(answer)
                    time.sleep(0.01)  # or these threads hold up the measuring one

        with ThreadPoolExecutor(8) as pool:
            for _ in range(8):
                pool.submit(flood)
            beside = [ask(modest) for _ in range(200)]
            flooding.set()
    assert {answer.status_code for _, answer in alone + beside} == {200}
    assert len(refused) > 20
    assert {answer.status_code for answer in refused} == {429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert quantile([took for took, _ in beside], 0.99) < 0.25


def stream_request(job: str) -> bytes:
    lines = [f"GET /jobs/{job}/events HTTP/1.1", "Host: 127.0.0.1", "Accept: text/event-stream"]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.sqlite(reason="tells the database's descriptors by the name of its file")
def test_dropped_event_streams_give_their_descriptors_back(
    tmp_path: Path, repeated: Callable[[int], int]
) -> None:
    with serving(tmp_path) as api:
        job = api.submit()
        process = psutil.Process(api.service.processes["app"].pid)
        port = int(api.service.url.rpartition(":")[2])

        def open_and_drop(count: int) -> None:
            streams = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
            for stream in streams:
                stream.sendall(stream_request(job))
            for stream in streams:
                assert stream.recv(100).startswith(b"HTTP/1.1 200")
                stream.close()

        def descriptors() -> int:
            """Those that are not of the database: each of the 40 threads keeps its connection."""
            others = 0
            for each in Path(f"/proc/{process.pid}/fd").iterdir():
                with suppress(FileNotFoundError):  # it has just been closed
                    others += "traind.db" not in str(each.readlink())
            return others

        time.sleep(2)
        before = descriptors()
        open_and_drop(repeated(500))
        deadline = time.monotonic() + HANG_SECONDS
        while descriptors() > before + 2:
            assert time.monotonic() < deadline, (before, descriptors())
            time.sleep(0.1)
        assert process.num_fds() < before + 3 * 40


def test_a_stop_waits_for_no_open_stream(tmp_path: Path) -> None:
    with serving(tmp_path) as api, ExitStack() as stack:
        job = api.submit()
        port = int(api.service.url.rpartition(":")[2])
        for _ in range(50):
            stream = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            stream.sendall(stream_request(job))
            assert stream.recv(100).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        api.service.processes["app"].terminate()
        assert api.service.processes["app"].wait(20) == 0
        assert time.monotonic() - began < 8


def test_random_bytes_on_the_socket_end_nothing(api: Api, seed: int) -> None:
    chance = random.Random(seed)
    port = int(api.service.url.rpartition(":")[2])
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(chance.randbytes(chance.randrange(1, 2000)))
    assert api.http.get("/healthz").status_code == 200
