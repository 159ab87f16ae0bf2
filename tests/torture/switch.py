"""A switch between network namespaces, whose links can be slow, lossy and cut one way.

    python -m tests.torture.switch PREFIX HOST=NAMESPACE...

Each host's device is a TUN device of this process: what a host sends is read here, and written to
the device of the host that it is for. The host `here` stays in this namespace. Lines of JSON on
standard input set the links, a line on standard output says that they are set. Hosts are numbered
from 1, and host n has the address PREFIX.n. (Kernels without `netem` have nothing of the kind.)
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_BYTES = 65536
IPV4_DESTINATION = slice(16, 20)
HERE = "here"
QUEUE = 1000
"""Packets that wait on one link; more are dropped, as by a router."""


@dataclass(frozen=True)
class Link:
    """One direction between two hosts. `loss` 1 cuts it."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0


class Switch:
    """The devices, the links, and the packets on their way."""

    def __init__(self, prefix: str, hosts: dict[str, str]) -> None:
        self._devices: dict[int, int] = {}
        self._numbers: dict[bytes, int] = {}
        self._names: dict[int, str] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._due: list[tuple[float, int, int, bytes]] = []
        self._last: dict[tuple[int, int], float] = {}
        self._waiting: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._order = 0
        for number, (host, namespace) in enumerate(hosts.items(), start=1):
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            name = f"td{os.getpid()}.{number}"
            asked = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
            fcntl.ioctl(device, TUNSETIFF, asked)
            inside = []
            if host != HERE:
                _ip("link", "set", name, "netns", namespace)
                inside = ["-n", namespace]
                _ip(*inside, "link", "set", "lo", "up")
            _ip(*inside, "address", "add", f"{prefix}.{number}/24", "dev", name)
            _ip(*inside, "link", "set", name, "up")
            self._devices[number] = device
            self._names[number] = host
            self._numbers[bytes(map(int, f"{prefix}.{number}".split(".")))] = number

    def run(self) -> None:
        """Carries packets until standard input ends."""
        sources = {device: number for number, device in self._devices.items()}
        print("ready", flush=True)
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for ready in select.select([0, *sources], [], [], wait)[0]:
                if ready:
                    self._take(sources[ready])
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                links = json.loads(line)
                self._links = {(source, to): Link(*how) for source, to, *how in links}
                print("set", flush=True)
            self._deliver()

    def _take(self, source: int) -> None:
        try:
            packet = os.read(self._devices[source], PACKET_BYTES)
        except BlockingIOError:
            return
        number = self._numbers.get(packet[IPV4_DESTINATION])
        if packet[0] >> 4 != 4 or number is None:
            return
        link = self._links.get((self._names[source], self._names[number]), Link())
        way = (source, number)
        if random.random() < link.loss or self._waiting[way] >= QUEUE:
            return
        at = time.monotonic() + link.delay + random.uniform(0, link.jitter)
        at = self._last[way] = max(at, self._last.get(way, 0.0))  # packets stay in their order
        self._order += 1
        self._waiting[way] += 1
        heapq.heappush(self._due, (at, self._order, source << 8 | number, packet))

    def _deliver(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, way, packet = heapq.heappop(self._due)
            self._waiting[way >> 8, way & 255] -= 1
            try:
                os.write(self._devices[way & 255], packet)
            except OSError:  # its queue is full, or its host is down: the packet is lost
                continue


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    Switch(sys.argv[1], dict(each.split("=") for each in sys.argv[2:])).run()
