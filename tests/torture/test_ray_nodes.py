"""A Ray cluster whose nodes lose their power at random instants.

This machine has the head and the service, and offers no processors. The others are network
namespaces, which see nothing of the service's home, as machines of their own would not.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from app import address
from app.client import Client
from app.jobspec import JobSpec
from app.local import running
from app.settings import Settings
from app.store import checkpoints, database
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
HERE = "10.77.0.1"
RAY = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--disable-usage-stats"]
SPEC = STEADY | {"training": STEADY["training"] | {"epochs": 1500}}
BOTH = {
    "training": {"epochs": 2, "batch_size": 64, "checkpoint_seconds": 1.0},
    "resources": {"threads": 1, "workers": 2},
}
FREE_SECONDS = 5.0
"""How soon a cancelled job has left the cluster."""
AWAIT_USE = """
import sys, time, ray
ray.init(sys.argv[1], logging_level="ERROR", log_to_driver=False)
for wanted in sys.stdin:
    while (ray.available_resources().get("CPU", 0) == float(sys.argv[2])) != (wanted == "free\\n"):
        time.sleep(0.05)
    print(wanted, end="", flush=True)
"""
"""Says that so many processors of a cluster are `free`, or not (`busy`), as each line asks."""


class Node:
    """A machine of its own, which can be switched off and on."""

    def __init__(self, number: int, bridge: str, head: str, hidden: Path) -> None:
        self.name, self.head, self._hidden = f"traind-{os.getpid()}-{number}", head, hidden
        self.address = f"10.77.0.{number + 1}"
        cable = f"td{os.getpid()}-{number}"
        ip("netns", "add", self.name)
        ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", cable, "master", bridge)
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        ip("link", "set", cable, "up")
        for each in ("lo", "eth0"):
            ip("-n", self.name, "link", "set", each, "up")

    def start(self, processors: int) -> None:
        """Switches it on: it joins the cluster."""
        joins = [f"--address={self.head}", f"--node-ip-address={self.address}"]
        joins += [f"--num-cpus={processors}"]
        hide = [
            "unshare",
            "--mount",
            "sh",
            "-c",
            f'mount -t tmpfs none {self._hidden} && exec "$@"',
        ]
        subprocess.run(
            ["ip", "netns", "exec", self.name, *hide, "sh", *RAY, *joins],
            env=os.environ | {"GLOO_SOCKET_IFNAME": "eth0"},
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
        ip("netns", "del", self.name)  # and the cable with it

    def _killed(self) -> list[str]:
        asked = ["ip", "netns", "pids", self.name]
        found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
        for each in found:
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)
        return found


def ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def nodes(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Node]]:
    """Two other machines, switched off, with the cluster's head beside the service."""
    home.mkdir()
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "5" * 64)
    port, bridge = address.free_port("127.0.0.1"), f"tb{os.getpid()}"
    ip("link", "add", bridge, "type", "bridge")
    ip("addr", "add", f"{HERE}/24", "dev", bridge)
    ip("link", "set", bridge, "up")
    others = [Node(number, bridge, f"{HERE}:{port}", tmp_path) for number in (1, 2)]
    options = ["--head", f"--port={port}", f"--node-ip-address={HERE}", "--num-cpus=0", "--block"]
    with (tmp_path / "ray.log").open("wb") as log:
        head = psutil.Popen([*RAY, *options, "--include-dashboard=false"], stdout=log, stderr=log)
    try:
        until(lambda: "Ray runtime started" in (tmp_path / "ray.log").read_text())
        yield others
    finally:
        for each in others:
            each.remove()
        ip("link", "del", bridge)
        left = head.children(recursive=True)
        head.terminate()
        head.wait(HANG_SECONDS)
        for each in psutil.wait_procs(left, 10)[1]:
            each.kill()


def test_a_job_whose_node_is_killed_goes_on_on_the_next(
    nodes: list[Node], home: Path, digits: Dataset, seed: int, repeated: Callable[..., int]
) -> None:
    chance, kills, node = random.Random(seed), repeated(10), nodes[0]
    settings = Settings(home=calibrated(home), port=0, engine="ray", ray_address=node.head)
    with running(settings) as service, Client(service.url) as client:
        job = client.submit(SPEC)
        for attempt in range(1, kills + 1):
            before = client.job(job["id"])["progress"]
            node.start(processors=2)
            until(lambda before=before: client.job(job["id"])["progress"] != before)
            time.sleep(chance.uniform(0.0, 3.0))
            node.kill()
            at = time.monotonic()
            until(lambda attempt=attempt: client.job(job["id"])["attempt"] > attempt)
            print(f"noticed after {time.monotonic() - at:.1f} s")
        node.start(processors=2)
        job = ended(client, job)
        said = lines(client, job)
        assert job["status"] == "succeeded", job["failure"]
        assert digest(client, job) == run(JobSpec.model_validate(SPEC), digits)[0].weights_sha256
        assert job["attempt"] == kills + 1
        assert any("queued again: the run was lost on the Ray cluster" in line for line in said)
    assert not list(home.glob("datasets/digits"))  # the node has decoded them for itself


def test_jobs_of_two_nodes_outlive_either_and_a_cancelled_one_leaves_both(
    nodes: list[Node],
    home: Path,
    mnist_source: Path,
    seed: int,
    repeated: Callable[..., int],
) -> None:
    chance, head = random.Random(seed), nodes[0].head
    settings = Settings(
        home=calibrated(home), port=0, datasets=mnist_source, engine="ray", ray_address=head
    )
    for node in nodes:
        node.start(processors=1)
    with running(settings) as service, Client(service.url) as client, _use(head, 2) as until_it_is:
        undisturbed = ended(client, client.submit(BOTH))
        assert undisturbed["status"] == "succeeded", undisturbed["failure"]
        for _ in range(repeated(10)):
            job = client.submit(BOTH)
            until(lambda job=job: client.job(job["id"])["progress"])
            time.sleep(chance.uniform(0.0, 4.0))
            node = chance.choice(nodes)
            stored, made = _newest_checkpoint(home, job), client.job(job["id"])["progress"]["step"]
            node.kill()
            node.start(processors=1)
            job = ended(client, job)
            assert job["status"] == "succeeded", job["failure"]
            assert digest(client, job) == digest(client, undisturbed)
            resumed = [
                each.data["data"]["step"]
                for each in client.watch(job["id"])
                if each.kind == "resumed"
            ]
            if stored and job["progress"]["step"] > made:
                assert resumed
                assert min(resumed) >= stored
            print(
                f"{node.name} killed at step {made}, went on from {resumed}, "
                f"a checkpoint of step {stored} was stored"
            )
        job = client.submit(BOTH | {"training": BOTH["training"] | {"epochs": 50}})
        until(lambda: client.job(job["id"])["progress"])
        until_it_is("busy")
        began = time.monotonic()
        client.cancel(job["id"])
        until_it_is("free")
        freed = time.monotonic() - began
        print(f"the cluster was free {freed:.1f} s after the cancel")
        assert freed < FREE_SECONDS
        assert ended(client, job)["status"] == "cancelled"


def _newest_checkpoint(home: Path, job: dict[str, Any]) -> int:
    """The step of the newest one that the service holds; 0 without one."""
    opened = database.connect(Settings(home=home).database)
    try:
        with opened.read() as connection:
            return checkpoints.newest_step(connection, job["id"]) or 0
    finally:
        opened.close()


@contextmanager
def _use(head: str, processors: int) -> Iterator[Callable[[str], None]]:
    """Waits until so many processors of the cluster are `free`, or not all of them (`busy`)."""
    command = [sys.executable, "-P", "-c", AWAIT_USE, head, str(processors)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def wait(wanted: str) -> None:
            print(wanted, file=process.stdin, flush=True)
            while (line := process.stdout.readline()) != f"{wanted}\n":  # Ray tells of lost nodes
                assert line

        wait("free")
        yield wait
        process.stdin.close()
