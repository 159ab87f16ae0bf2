"""A full disk: writes are refused in words, reads go on, and when there is room all goes on."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.client import Client
from app.local import Service
from tests import databases
from tests.waiting import HANG_SECONDS, ended, started

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "traind-test", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs the rights of root")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (MIB, 4096):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue


@pytest.mark.sqlite(reason="the disk of a server is not that of the home")
def test_a_full_disk_is_named_and_survived(
    small_disk: Path, request: pytest.FixtureRequest
) -> None:
    service = Service(databases.settings(small_disk))
    training = {"epochs": 100, "batch_size": 16, "checkpoint_seconds": 0.5, "log_every": 20}
    spec = {"dataset": {"name": "digits"}, "model": {"hidden": [32]}, "training": training}
    try:
        service.start("app", "worker")
        service.processes["another"] = service.processes.pop("worker")
        service.start("worker")
        with Client(service.url) as client, httpx.Client(base_url=service.url) as http:
            first = ended(client, client.submit(spec | {"training": {"epochs": 1}}))
            whole = ended(client, client.submit(spec))
            running, beside = client.submit(spec), client.submit(spec)
            for each in (running, beside):
                started(client, each)
            fill(small_disk / "filler")
            deadline = time.monotonic() + HANG_SECONDS
            while (answer := http.post("/jobs", json={"name": "x" * 100})).status_code == 201:
                assert time.monotonic() < deadline
            acknowledged = [job["id"] for job in client.jobs()]
            assert answer.status_code == 507, answer.text
            assert answer.json()["code"] == "storage_full"
            promoted = {"model": first["model"]}
            names = (f"name-{number}" for number in range(10_000))  # a small write may yet fit
            while (answer := http.put(f"/models/aliases/{next(names)}", json=promoted)).is_success:
                assert time.monotonic() < deadline
            assert answer.status_code == 507, answer.text
            body = {"inputs": [[0] * 64], "model": first["model"]}
            # Longer than a lease in the long run: no worker takes a healthy one's job afterwards.
            until_full = time.monotonic() + (40 if request.config.option.torture else 2)
            while time.monotonic() < until_full:
                for path in ("/healthz", "/readyz", "/jobs", f"/jobs/{running['id']}/metrics"):
                    assert http.get(path).status_code == 200, path
                assert http.post("/predict", json=body).status_code == 200
                time.sleep(0.1)
            assert [process.poll() for process in service.processes.values()] == [None] * 3
            (small_disk / "filler").unlink()
            deadline = time.monotonic() + HANG_SECONDS
            while http.post("/jobs", json={}).status_code != 201:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            for job in client.jobs(status="queued"):
                client.cancel(job["id"])
            for each in (running, beside):
                job = ended(client, each)
                assert job["status"] == "succeeded", job
                assert job["attempt"] == 1
                digests = {client.model(run["model"])["weights_sha256"] for run in (job, whole)}
                assert len(digests) == 1
            for job_id in acknowledged:  # by id: a listing is a page of them
                client.job(job_id)
    finally:
        service.stop()
