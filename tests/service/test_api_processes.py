"""Several API processes on one port act as one, and none of them is missed when it dies."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.store import keys
from app.store.events import NewEvent
from app.store.keys import Limits, Scope
from tests import runs
from tests.service.conftest import Api, serving
from tests.waiting import HANG_SECONDS, until

IMAGE = {"inputs": [[[[0.0] * 28] * 28]]}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("home"), api_processes=2) as api:
        yield api


def children(api: Api) -> list[psutil.Process]:
    """Those that answer."""
    found = psutil.Process(api.service.processes["app"].pid).children()
    return sorted(found, key=lambda each: each.pid)


@pytest.fixture
def clients(api: Api) -> Iterator[dict[int, httpx.Client]]:
    """A client for each process, whose one connection it has accepted."""
    with ExitStack() as opened:
        found: dict[int, httpx.Client] = {}

        def connect() -> bool:
            client = opened.enter_context(
                httpx.Client(base_url=api.service.url, timeout=HANG_SECONDS)
            )
            stream = client.get("/healthz").extensions["network_stream"]
            _, port = stream.get_extra_info("client_addr")
            for child in children(api):
                if child.pid not in found and port in remote_ports(child):
                    found[child.pid] = client
            return len(found) == 2

        until(connect)
        yield found


def remote_ports(process: psutil.Process) -> set[int]:
    return {each.raddr.port for each in process.net_connections("tcp") if each.raddr}


def test_all_of_them_answer(api: Api, clients: dict[int, httpx.Client]) -> None:
    assert len(children(api)) == 2
    job_id = api.submit()
    for client in clients.values():
        assert client.get(f"/jobs/{job_id}").json()["status"] == "queued"


def test_a_promotion_reaches_each(api: Api, clients: dict[int, httpx.Client]) -> None:
    first, second = clients.values()
    models = [api.publish(shift) for shift in (0, 1)]
    for model in (*models, *models):
        assert first.put("/models/aliases/production", json={"model": model}).is_success

        def answers(wanted: str = model) -> bool:
            return all(
                client.post("/models/production/predict", json=IMAGE).json()["model"] == wanted
                for client in (first, second)
            )

        until(answers)
        assert second.get("/models/aliases/production").json()["model"] == model


def measured(api: Api, name: str, **labels: str) -> float:
    """What /metrics says, through whichever process accepts."""
    text = httpx.get(f"{api.service.url}/metrics", timeout=HANG_SECONDS).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_their_metrics_are_added_up(api: Api, clients: dict[int, httpx.Client]) -> None:
    model = api.publish()
    count = "traind_http_request_duration_seconds_count"
    for number, client in enumerate(clients.values(), 3):
        for _ in range(number):
            assert client.post(f"/models/{model}/predict", json=IMAGE).is_success
    assert measured(api, count, model=model) == 7
    assert until(lambda: measured(api, "traind_predict_loaded_bytes"))
    before = children(api)
    victim = before[0]
    folder = Path(victim.environ()["PROMETHEUS_MULTIPROC_DIR"])
    loaded = folder / f"gauge_livesum_{victim.pid}.db"
    assert loaded.exists()
    victim.kill()  # what it has counted stays, what it had loaded does not
    until(lambda: len(set(children(api)) - set(before)) == 1)
    assert measured(api, count, model=model) == 7
    assert not loaded.exists()


def test_streams_of_each_tell_what_happens(api: Api, clients: dict[int, httpx.Client]) -> None:
    job_id = api.submit()
    heard: dict[int, list[str]] = {pid: [] for pid in clients}

    def listen(pid: int, client: httpx.Client) -> None:
        accept = {"Accept": "text/event-stream"}
        with client.stream("GET", f"/jobs/{job_id}/events", headers=accept) as stream:
            heard[pid] += [line for line in stream.iter_lines() if line.startswith("data: ")]

    threads = [threading.Thread(target=listen, args=each) for each in clients.items()]
    for thread in threads:
        thread.start()
    lease = api.start(job_id)
    with api.database.write() as connection:
        runs.record(connection, lease, events=[NewEvent("log", "said to all")])
    with api.database.write() as connection:
        runs.cancel(connection, lease)
    for thread in threads:
        thread.join()
    assert all(any("said to all" in line for line in lines) for lines in heard.values())


def test_one_that_dies_is_replaced_and_nobody_waits_for_it(api: Api) -> None:
    for number in range(4):
        victim = children(api)[number % 2]
        victim.kill()
        psutil.wait_procs([victim])
        for _ in range(5):  # the others accept every new connection
            assert httpx.get(f"{api.service.url}/healthz", timeout=HANG_SECONDS).is_success
        until(lambda victim=victim: len(children(api)) == 2 and victim not in children(api))


def test_the_rate_of_a_key_is_that_of_all_together(
    api: Api, clients: dict[int, httpx.Client]
) -> None:
    with api.database.write() as connection:
        limits = Limits(requests_per_second=1)
        key, token = keys.create(connection, "limited", frozenset([Scope.READ]), limits)
    header = {"Authorization": f"Bearer {token}"}
    first, second = clients.values()
    for client in (first, second):
        until(lambda client=client: client.get("/jobs").status_code == 401)
    began = time.monotonic()
    answered = [
        client.get("/jobs", headers=header).status_code
        for _ in range(30)
        for client in (first, second)
    ]
    assert 1 <= answered.count(200) <= 2 + time.monotonic() - began
    assert set(answered) == {200, 429}
    assert (api.home / "rates" / key.id).stat().st_size == 8


def test_they_stop_and_end_with_the_first(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with serving(tmp_path, api_processes=2) as api:
            first = api.service.processes["app"]
            running = children(api)
            assert len(running) == 2
            first.send_signal(number)
            first.wait()
            gone, alive = psutil.wait_procs(running, timeout=HANG_SECONDS)
            assert (len(gone), alive) == (2, [])
            if number == signal.SIGTERM:
                assert first.returncode == 0
