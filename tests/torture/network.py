"""Hosts of a network on this machine: a namespace each, and links that fail as a test wants."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app import lifeline
from tests.torture.switch import HERE, Link

CUT = Link(loss=1.0)


class Network:
    """Hosts by name. They reach each other, and this process reaches them, by `address`."""

    def __init__(self, *hosts: str) -> None:
        # 198.18.0.0/15 is for tests of networks (RFC 2544); each process has a network of its own.
        self._prefix = f"198.{18 + os.getpid() // 256 % 2}.{os.getpid() % 256}"
        self._hosts = [HERE, *hosts]
        self._links: dict[tuple[str, str], Link] = {}
        self._switch: subprocess.Popen[str] | None = None

    def open(self) -> None:
        """Makes the namespaces and the switch between them."""
        for host in self._hosts[1:]:
            subprocess.run(["ip", "netns", "add", self.namespace(host)], check=True)
        hosts = [f"{host}={self.namespace(host)}" for host in self._hosts]
        self._switch = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.torture.switch", self._prefix, *hosts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self._await("ready")

    def close(self) -> None:
        """Takes it all away again; the processes on its hosts have to be gone."""
        if self._switch is not None:
            self._switch.communicate()
        for host in self._hosts[1:]:
            subprocess.run(["ip", "netns", "delete", self.namespace(host)], check=False)

    def namespace(self, host: str) -> str:
        """The name of a host's namespace."""
        return f"traind-{os.getpid()}-{host}"

    def address(self, host: str) -> str:
        """The IP address of a host."""
        return f"{self._prefix}.{self._hosts.index(host) + 1}"

    def command(self, host: str, command: Sequence[str]) -> list[str]:
        """The command that runs this one on a host, whose name `gethostname` gives."""
        named = ["unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$@"', "sh"]
        return ["ip", "netns", "exec", self.namespace(host), *named, *command]

    def start(
        self, host: str, command: Sequence[str], env: Mapping[str, str], **options: Any
    ) -> lifeline.Process:
        """Starts a process on a host; it ends with this one."""
        return lifeline.Process(self.command(host, command), env=env, **options)

    def link(self, source: str, to: str, link: Link) -> None:
        """Sets one direction; in effect when this returns."""
        self._links[source, to] = link
        self._set()

    def between(self, one: str, other: str, link: Link) -> None:
        """Sets both directions."""
        self._links |= {(one, other): link, (other, one): link}
        self._set()

    def heal(self) -> None:
        """Every link is as at the beginning."""
        self._links = {}
        self._set()

    def _set(self) -> None:
        assert self._switch is not None
        assert self._switch.stdin is not None
        links = [[*way, link.delay, link.jitter, link.loss] for way, link in self._links.items()]
        self._switch.stdin.write(json.dumps(links) + "\n")
        self._switch.stdin.flush()
        self._await("set")

    def _await(self, word: str) -> None:
        assert self._switch is not None
        assert self._switch.stdout is not None
        said = self._switch.stdout.readline().strip()
        assert said == word, f"the switch ended: {said}"


@contextmanager
def network(*hosts: str) -> Iterator[Network]:
    """A network while the block runs; skips the test where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("namespaces of networks are for root")
    missing = [each for each in ("ip", "unshare", "hostname") if shutil.which(each) is None]
    if missing or not Path("/dev/net/tun").exists():
        pytest.skip(f"no {' or '.join(missing) or '/dev/net/tun'}: there can be no hosts")
    made = Network(*hosts)
    try:
        made.open()
        yield made
    finally:
        made.close()
