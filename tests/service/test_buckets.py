"""The service with a bucket: API and workers have homes of their own, and share no file."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from app.client import Client
from app.local import Service
from app.settings import Settings
from tests.calibrated import calibrated
from tests.s3 import BUCKET, Proxy, Server, proxy, s3
from tests.service.conftest import problem_of
from tests.waiting import ended, until

__all__ = ["proxy", "s3"]

TABLE = {"preset": "table", "training": {"epochs": 2}}


pytestmark = pytest.mark.usefixtures("proxy")


@contextmanager
def hosts(folder: Path, *names: str, **settings: str) -> Iterator[dict[str, Service]]:
    """A service whose processes have homes of their own, on one database and one bucket."""
    url = f"sqlite:///{folder / 'traind.db'}"
    given = {"database_url": url, "objects": f"s3://{BUCKET}/{folder.name}"} | settings
    with ExitStack() as running:
        started = {}
        for name in names:
            started[name] = Service(Settings(home=calibrated(folder / name), port=0, **given))
            running.callback(started[name].stop)
            started[name].start("app" if name.startswith("app") else "worker")
        yield started


def rows(count: int) -> bytes:
    chance = random.Random(count)
    lines = [f"{chance.random():.4f},{number % 7},{'ab'[number % 2]}" for number in range(count)]
    return ("x,y,class\n" + "\n".join(lines) + "\n").encode()


def add(http: httpx.Client, name: str, content: bytes) -> str:
    made = http.post(
        "/datasets", json={"name": name, "kind": "table", "table": {"target": "class"}}
    )
    assert made.status_code == 201, made.text
    dataset = str(made.json()["id"])
    sent = http.put(f"/datasets/{dataset}/content", content=content)
    assert sent.status_code == 202, sent.text
    return dataset


def imported(http: httpx.Client, dataset: str) -> dict[str, object]:
    def found() -> dict[str, object] | None:
        shown: dict[str, object] = http.get(f"/datasets/{dataset}?wait=5").json()
        return shown if shown["status"] in ("ready", "refused") else None

    shown: dict[str, object] = until(found)
    return shown


def test_a_dataset_reaches_workers_that_have_never_seen_it(
    proxy: Proxy, s3: Server, tmp_path: Path
) -> None:
    content = rows(3000)
    digest = sha256(content).hexdigest()
    with hosts(tmp_path, "app", "worker", cache_bytes="0") as service:
        api = service["app"]
        with httpx.Client(base_url=api.url, timeout=60) as http, Client(api.url) as client:
            dataset = add(http, "rows", content)
            assert imported(http, dataset)["status"] == "ready"
            assert s3.names(tmp_path.name) == {digest}
            assert not list((tmp_path / "app").rglob("sha256"))
            fetched = http.get(f"/datasets/{dataset}/content")
            assert fetched.content == content
            assert fetched.headers["content-length"] == str(len(content))
            head = http.head(f"/datasets/{dataset}/content")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(content))

            service["worker"].stop()
            other = Service(
                service["worker"].settings.model_copy(update={"home": tmp_path / "elsewhere"})
            )
            try:
                other.start("worker")
                until(lambda: http.get("/readyz").json()["worker_alive"])
                proxy.cuts, proxy.flips, proxy.answers_503 = [1000], [500], 3
                spec = TABLE | {"dataset": {"name": "rows"}}
                job = ended(client, client.submit(spec))
                assert job["status"] == "succeeded", job
                assert client.predict([{"x": 0.5, "y": 3}])[0]["label"] in "ab"
                assert proxy.cuts == proxy.flips == []
                # Nothing is in use any more, and the limit is 0: the next import makes room.
                second = rows(200)
                assert imported(http, add(http, "others", second))["status"] == "ready"
                kept = {each.name for each in (tmp_path / "elsewhere").rglob("ds_*")}
                assert not any(each == dataset for each in kept), kept
                job = ended(client, client.submit(spec))
                assert (job["status"], job["attempt"]) == ("succeeded", 1)
            finally:
                other.stop()
            assert http.delete(f"/datasets/{dataset}").status_code == 204
            assert s3.names(tmp_path.name) == {sha256(second).hexdigest()}


def test_a_bucket_that_is_away_delays_and_loses_nothing(
    proxy: Proxy, s3: Server, tmp_path: Path
) -> None:
    content = rows(500)
    with (
        hosts(tmp_path, "app", "worker") as service,
        httpx.Client(base_url=service["app"].url, timeout=120) as http,
    ):
        until(lambda: http.get("/readyz").json()["worker_alive"])
        proxy.answers_503 = 10**9
        made = http.post(
            "/datasets", json={"name": "rows", "kind": "table", "table": {"target": "class"}}
        ).json()
        path = f"/datasets/{made['id']}/content"
        problem = problem_of(http.put(path, content=content), 503, "objects_unavailable")
        assert "s3://" not in problem["detail"]
        assert http.get("/healthz").status_code == 200
        assert http.head(path).headers["upload-offset"] == str(len(content))
        assert http.get(f"/datasets/{made['id']}").json()["status"] == "awaiting_upload"
        proxy.answers_503 = 0
        last = len(content) - 1
        part = {"Content-Range": f"bytes {last}-{last}/{last + 1}"}
        assert http.put(path, content=content[last:], headers=part).status_code == 202
        shown = imported(http, made["id"])
        assert shown["status"] == "ready", shown

        s3.file(tmp_path.name, sha256(content).hexdigest()).unlink()
        service["worker"].stop()
        for each in (tmp_path / "worker" / "cache").iterdir():
            each.unlink()
        problem_of(http.get(path), 500, "object_missing")
        again = http.post("/datasets", json={"name": "rows", "kind": "table"}).json()
        other = f"/datasets/{again['id']}/content"
        assert http.put(other, content=content).status_code == 202  # which puts it back
        assert http.get(path).content == content


def test_an_api_killed_between_the_bucket_and_the_database_has_acknowledged_nothing(
    proxy: Proxy, s3: Server, tmp_path: Path
) -> None:
    content = rows(400)
    with hosts(tmp_path, "app") as service:
        api = service["app"]
        with httpx.Client(base_url=api.url, timeout=60) as http, ThreadPoolExecutor(1) as pool:
            made = http.post("/datasets", json={"name": "rows", "kind": "table"}).json()
            path = f"/datasets/{made['id']}/content"
            proxy.holds_puts = True
            sending = pool.submit(http.put, path, content=content)
            until(lambda: s3.names(tmp_path.name) == {sha256(content).hexdigest()})
            api.processes["app"].kill()
            api.processes["app"].wait()
            assert isinstance(sending.exception(), httpx.TransportError)
            proxy.holds_puts = False
            api.start("app")
            assert http.get(f"/datasets/{made['id']}").json()["status"] == "awaiting_upload"
            assert http.head(path).headers["upload-offset"] == str(len(content))
            last = len(content) - 1
            part = {"Content-Range": f"bytes {last}-{last}/{last + 1}"}
            assert http.put(path, content=content[last:], headers=part).status_code == 202
            assert http.get(path).content == content


@pytest.mark.parametrize(
    ("process", "changed", "said"),
    [
        ("app", {"TRAIND_OBJECTS": "s3://no-such-bucket"}, "there is no such bucket"),
        ("worker", {"AWS_SECRET_ACCESS_KEY": "x"}, "refuses the credentials"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_told_at_the_start(
    tmp_path: Path, process: str, changed: dict[str, str], said: str
) -> None:
    given = {"TRAIND_HOME": str(tmp_path), "TRAIND_PORT": "0", "TRAIND_OBJECTS": f"s3://{BUCKET}"}
    run = subprocess.run(
        [sys.executable, "-P", "-m", process],
        env=os.environ | given | changed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1, run.stderr
    assert said in lines[0]
