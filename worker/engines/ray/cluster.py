"""`python -m worker.engines.ray.cluster [ADDRESS]`: finds a Ray cluster, or starts one of its own.

It prints the cluster's address and what a run may have there, as JSON, or ends with a line on
standard error. A cluster that it has
started ends with it, and it ends with its parent.
"""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence

import msgspec
import ray

from app.lifeline import Line
from worker.capacity import Capacity
from worker.engines.ray import Found

REACH_SECONDS = 5.0
"""How long the cluster's head may take to accept a connection. Ray itself would try for minutes."""
TYPE = "accelerator_type:"
"""How Ray calls the resource that names a node's GPU."""
MB = 10**6
JOIN = "This machine has to be a part of the cluster: `ray start --address={} --num-cpus=0` first."


def main(address: str) -> None:
    """Prints the address of the cluster; stays while it is one of its own."""
    ended = threading.Event()
    Line()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    options = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        _reach(address)
        try:
            found = ray.init(address=address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            first = str(error).partition("\n")[0]
            sys.exit(f"Ray at {address} does not take this worker: {first} {JOIN.format(address)}")
        _tell(found.address_info["gcs_address"])
        return
    found = ray.init(address="local", include_dashboard=False, **options)
    signal.signal(signal.SIGTERM, lambda *_: ended.set())  # Ray has put its own there
    _tell(found.address_info["gcs_address"])
    ended.wait()
    ray.shutdown()


def _tell(address: str) -> None:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    sys.stdout.buffer.write(msgspec.json.encode(Found(address, capacity(nodes))) + b"\n")
    sys.stdout.buffer.flush()


def capacity(nodes: Sequence[Mapping[str, float]]) -> Capacity:
    """What a run may have on one of the nodes, as Ray describes their resources.

    A cluster that has not started its nodes yet says nothing of threads and memory.
    """
    threads = int(max((node.get("CPU", 0.0) for node in nodes), default=0.0))
    megabytes = int(max((node.get("memory", 0.0) for node in nodes), default=0.0) / MB)
    with_gpu = [node for node in nodes if node.get("GPU", 0.0) >= 1]
    names = [name.removeprefix(TYPE) for node in with_gpu for name in node if name.startswith(TYPE)]
    return Capacity(
        device="cuda" if with_gpu else "cpu",
        device_name=names[0] if names else None,
        threads=threads or None,
        memory_mb=megabytes or None,
    )


def _reach(address: str) -> None:
    """Ends this process if nothing listens at HOST:PORT."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        sys.exit(f"TRAIND_RAY_ADDRESS={address}: must be HOST:PORT of the cluster's head, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except OSError as error:
        sys.exit(f"no Ray cluster answers at {address}: {error.strerror or error}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
