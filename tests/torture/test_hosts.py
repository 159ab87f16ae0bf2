"""A service on several hosts, through cuts, bad links, a database that dies, and wrong clocks.

    pytest tests/torture/test_hosts.py [--torture]

It takes minutes, so that it runs only when it is named, or with `--torture` at its full counts.
"""

import random
import time
from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest

from app.client import Client
from tests.torture.hosts import API, DATABASE, WORKERS, Hosts, hosts
from tests.torture.network import CUT
from tests.torture.submitting import Submitting
from tests.torture.switch import Link
from tests.torture.test_jobs import SPEC, ended, endings
from tests.waiting import until

SHORT = SPEC | {"training": SPEC["training"] | {"epochs": 10}}
LONG = SPEC | {"training": SPEC["training"] | {"epochs": 600}}
"""Ten seconds: a job of SPEC had ended on a fast machine before its worker could be cut off."""
HOUR = 3600
TOLD_SECONDS = 10.0
"""The longest break that costs no attempt: docs/postgresql.md."""
ANSWER_SECONDS = 60.0
"""Within this time the API answers, however the database fails: docs/postgresql.md."""
BAD = Link(delay=0.02, jitter=0.02, loss=0.02)


@pytest.fixture(scope="module")
def several(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosts]:
    """API and three workers, up; each spec has been trained once, undisturbed."""
    is_named = any("test_hosts" in argument for argument in request.config.args)
    if not (is_named or request.config.option.torture):
        pytest.skip("takes minutes: name the file, or give --torture")
    with hosts(tmp_path_factory.mktemp("hosts")) as running:
        running.start(API, api_processes=2)
        running.start(*WORKERS)
        with Client(running.url) as client:
            ended(client, [client.submit(spec)["id"] for spec in (SPEC, SHORT, LONG)])
        running.expected = running.digests()
        yield running


@pytest.fixture
def client(several: Hosts) -> Iterator[Client]:
    several.network.heal()
    with Client(several.url) as client:
        yield client


@pytest.mark.timeout(3600)
def test_a_worker_that_is_cut_off_loses_its_job_and_writes_nothing_more(
    several: Hosts,
    client: Client,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    waits = []
    for _ in range(repeated(10)):
        pids = several.pids()
        job_id = client.submit(LONG)["id"]
        until(partial(several.has_checkpoint, job_id))
        cut, began = several.holder(job_id), time.monotonic()
        several.network.between(cut, DATABASE, CUT)
        until(lambda job_id=job_id: client.job(job_id)["attempt"] == 2)
        waits.append(time.monotonic() - began)
        (job,) = ended(client, [job_id])
        assert (job["status"], job["attempt"]) == ("succeeded", 2), job
        assert several.digests() == several.expected
        assert endings(client, job_id) == ["succeeded"]
        before = several.events(job_id)

        several.network.heal()
        until(partial(several.has_logged, cut, f"Attempt 1 no longer holds job {job_id}"))
        assert several.events(job_id) == before
        assert several.pids() == pids
    with capsys.disabled():
        print(f"\n{len(waits)} cuts; taken over after {min(waits):.0f} to {max(waits):.0f} s")


@pytest.mark.timeout(3600)
def test_slow_lossy_and_half_open_links_cost_no_attempt_and_no_job(
    several: Hosts,
    client: Client,
    seed: int,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert client.ready()
    chance, seconds, pids, breaks = random.Random(seed), repeated(600), several.pids(), 0
    for host in (API, *WORKERS):
        several.network.between(host, DATABASE, BAD)
    with Submitting(several.url, SHORT, ANSWER_SECONDS) as submitting:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(chance.uniform(0, 5))
            ways = [(chance.choice([API, *WORKERS]), DATABASE)]
            ways = chance.choice([ways, [ways[0][::-1]], [ways[0], ways[0][::-1]]])
            for way in ways:
                several.network.link(*way, CUT)
            time.sleep(chance.uniform(0, TOLD_SECONDS))
            for way in ways:
                several.network.link(*way, BAD)
            breaks += 1
    several.network.heal()
    found = ended(client, submitting.acknowledged)
    assert {job["status"] for job in found} == {"succeeded"}, seed
    lost = [job["id"] for job in found if job["attempt"] != 1]
    assert not lost, (seed, several.events(lost[0]))
    assert several.digests() == several.expected
    assert several.pids() == pids
    with capsys.disabled():
        print(f"\n{seconds} s, {breaks} breaks, {submitting}, seed {seed}")


@pytest.mark.parametrize("how", ["cut", "frozen"])
def test_the_api_answers_while_the_database_does_not(
    several: Hosts, client: Client, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """However it is gone: behind a dead link, or stopped on a host that still acknowledges."""
    assert client.ready()
    pids = several.pids()
    with httpx.Client(base_url=several.url, timeout=ANSWER_SECONDS) as http:
        taken = []
        with several.gone(how):
            for path in ("/readyz", "/jobs", "/models", "/readyz"):
                began = time.monotonic()
                answer = http.get(path)
                taken.append(time.monotonic() - began)
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] in {"database_unavailable", "database_busy"}
                assert http.get("/healthz").status_code == 200
        until(lambda: http.get("/readyz").status_code == 200)
    assert ended(client, [client.submit(SHORT)["id"]])[0]["status"] == "succeeded"
    assert several.pids() == pids
    with capsys.disabled():
        print(f"\n{how}: 503 after {', '.join(f'{each:.1f}' for each in taken)} s")


@pytest.mark.timeout(3600)
def test_a_database_that_is_killed_stops_nothing(
    several: Hosts,
    client: Client,
    seed: int,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert client.ready()
    chance, kills, pids = random.Random(seed), repeated(20), several.pids()
    with Submitting(several.url, SHORT, ANSWER_SECONDS) as submitting:
        for _ in range(kills):
            time.sleep(chance.uniform(0, 8))
            several.database.kill()
            time.sleep(chance.uniform(0, 8))
            several.database.start()
    found = ended(client, submitting.acknowledged)
    assert {job["status"] for job in found} == {"succeeded"}, seed
    assert all(endings(client, job["id"]) == ["succeeded"] for job in found)
    assert several.digests() == several.expected
    assert several.pids() == pids
    resumed = sum(job["attempt"] > 1 for job in found)
    with capsys.disabled():
        print(f"\n{kills} kills, {submitting}, {resumed} of them taken over, seed {seed}")


def test_hosts_whose_clocks_are_hours_apart_share_the_work(
    several: Hosts, client: Client, repeated: Callable[..., int]
) -> None:
    """Runs last: the clocks stay wrong."""
    assert client.ready()
    several.stop(API, *WORKERS)
    several.start(API, clock=HOUR)
    several.start(WORKERS[0], clock=HOUR)
    several.start(WORKERS[1], clock=-HOUR)
    several.start(WORKERS[2])
    found = ended(client, [client.submit(SHORT)["id"] for _ in range(repeated(60))])
    assert {(job["status"], job["attempt"]) for job in found} == {("succeeded", 1)}
    assert several.digests() == several.expected

    job_id = client.submit(SPEC)["id"]
    until(partial(several.has_checkpoint, job_id))
    several.kill(several.holder(job_id))
    (job,) = ended(client, [job_id])
    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    assert client.model("latest")["id"] == job["model"]
    assert client.jobs()[0]["id"] == job_id
