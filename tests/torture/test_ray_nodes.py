"""A Ray cluster of two machines, the second of which loses its power at random instants.

This machine has the head and the service, and offers no processors. The other one is a network
namespace, which sees nothing of the service's home, as a machine of its own would not.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from app import address
from app.client import Client
from app.jobspec import JobSpec
from app.local import running
from app.settings import Settings
from tests.calibrated import calibrated
from tests.service.test_main_job import digest, lines
from tests.service.test_ray import STEADY
from tests.unit.training.runs import run
from tests.waiting import HANG_SECONDS, ended, until
from worker.training.dataset import Dataset

pytestmark = [
    pytest.mark.torture,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))),
        reason="network namespaces need root, iproute2 and util-linux",
    ),
]
HERE, THERE = "10.77.0.1", "10.77.0.2"
RAY = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--disable-usage-stats"]
SPEC = STEADY | {"training": STEADY["training"] | {"epochs": 200}}


class Node:
    """The other machine."""

    def __init__(self, port: int, hidden: Path) -> None:
        self.name, self.head, self._hidden = f"traind-{os.getpid()}", f"{HERE}:{port}", hidden
        cable, end = f"td{os.getpid()}", f"te{os.getpid()}"
        self._ip("netns", "add", self.name)
        self._ip("link", "add", cable, "type", "veth", "peer", "name", end)
        self._ip("link", "set", end, "netns", self.name)
        self._ip("addr", "add", f"{HERE}/24", "dev", cable)
        self._ip("-n", self.name, "addr", "add", f"{THERE}/24", "dev", end)
        self._ip("link", "set", cable, "up")
        for each in ("lo", end):
            self._ip("-n", self.name, "link", "set", each, "up")

    def start(self) -> None:
        """Switches it on: it joins the cluster with two processors."""
        joins = [f"--address={self.head}", f"--node-ip-address={THERE}", "--num-cpus=2"]
        hide = [
            "unshare",
            "--mount",
            "sh",
            "-c",
            f'mount -t tmpfs none {self._hidden} && exec "$@"',
        ]
        subprocess.run(
            ["ip", "netns", "exec", self.name, *hide, "sh", *RAY, *joins],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=HANG_SECONDS,
        )

    def kill(self) -> None:
        """Takes its power away."""
        until(lambda: not self._killed())

    def remove(self) -> None:
        self.kill()
        self._ip("netns", "del", self.name)  # and the cable with it

    def _killed(self) -> list[str]:
        asked = ["ip", "netns", "pids", self.name]
        found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
        for each in found:
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)
        return found

    def _ip(self, *command: str) -> None:
        subprocess.run(["ip", *command], check=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def node(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """The other machine, switched off, with the cluster's head beside the service."""
    home.mkdir()
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "5" * 64)
    port = address.free_port("127.0.0.1")
    other = Node(port, tmp_path)
    options = ["--head", f"--port={port}", f"--node-ip-address={HERE}", "--num-cpus=0", "--block"]
    with (tmp_path / "ray.log").open("wb") as log:
        head = psutil.Popen([*RAY, *options, "--include-dashboard=false"], stdout=log, stderr=log)
    try:
        until(lambda: "Ray runtime started" in (tmp_path / "ray.log").read_text())
        yield other
    finally:
        other.remove()
        left = head.children(recursive=True)
        head.terminate()
        head.wait(HANG_SECONDS)
        for each in psutil.wait_procs(left, 10)[1]:
            each.kill()


def test_a_job_whose_node_is_killed_goes_on_on_the_next(
    node: Node, home: Path, digits: Dataset, seed: int, repeated: Callable[..., int]
) -> None:
    chance, kills = random.Random(seed), repeated(10)
    settings = Settings(home=calibrated(home), port=0, engine="ray", ray_address=node.head)
    with running(settings) as service, Client(service.url) as client:
        job = client.submit(SPEC)
        for attempt in range(1, kills + 1):
            node.start()
            until(lambda: (client.job(job["id"])["progress"] or {}).get("epoch", 0) > 0)
            time.sleep(chance.uniform(0.0, 3.0))
            node.kill()
            at = time.monotonic()
            until(lambda attempt=attempt: client.job(job["id"])["attempt"] > attempt)
            print(f"noticed after {time.monotonic() - at:.1f} s")
        node.start()
        job = ended(client, job)
        said = lines(client, job)
        assert job["status"] == "succeeded", job["failure"]
        assert digest(client, job) == run(JobSpec.model_validate(SPEC), digits)[0].weights_sha256
        assert job["attempt"] == kills + 1
        assert any("queued again: the run was lost on the Ray cluster" in line for line in said)
    assert not list(home.glob("datasets/digits"))  # the node has decoded them for itself
