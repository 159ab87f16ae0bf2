"""`python -m worker.engines.ray.cluster [ADDRESS]`: finds a Ray cluster, or starts one of its own.

It prints the cluster's address, or ends with a line on standard error. A cluster that it has
started ends with it, and it ends with its parent.
"""

import logging
import signal
import socket
import sys
import threading

import ray

from app.lifeline import Line

REACH_SECONDS = 5.0
"""How long the cluster's head may take to accept a connection. Ray itself would try for minutes."""
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
        print(found.address_info["gcs_address"], flush=True)  # noqa: T201
        return
    found = ray.init(address="local", include_dashboard=False, **options)
    signal.signal(signal.SIGTERM, lambda *_: ended.set())  # Ray has put its own there
    print(found.address_info["gcs_address"], flush=True)  # noqa: T201
    ended.wait()
    ray.shutdown()


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
