"""Servers as processes on the first core; the second belongs to the client."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from app.local import Service
from app.settings import Settings

READY_SECONDS = 60.0
"""How long a server may take until it answers."""
LOADING_SECONDS = 3
"""Some servers answer before their model is loaded."""


@contextmanager
def traind(home: Path) -> Iterator[Service]:
    service = Service(Settings(home=home, port=0), home / "log")
    try:
        with on_core(0):
            service.start("app")
        yield service
    finally:
        service.stop()


@contextmanager
def process(python: Path, script: Path, model: Path, *arguments: str) -> Iterator[str]:
    """A server in a process of its own, up while the block runs; its address."""
    port = 9100 + int(time.time()) % 500 * 10
    with on_core(0):
        process = subprocess.Popen(
            [str(python), str(script), *arguments],
            env=os.environ | {"PORT": str(port), "MODEL": str(model)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        _await_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True)]
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        for child in family:
            if child.is_running():
                child.kill()


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started in the block runs on this core; this process goes back to the client's."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {1})


def _await_port(port: int) -> None:
    """Returns once the server answers anything, and after the time that loading its model takes."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            time.sleep(LOADING_SECONDS)
            return
    raise TimeoutError(f"nothing answers on {port}")
