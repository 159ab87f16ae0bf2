"""Waits that end when the thing happens: a busy machine takes longer, and is no fault.

`HANG_SECONDS` is no promise of the product. It only ends a test whose event will never come.
"""

import time
from collections.abc import Callable
from typing import Any

from app.client import Client

HANG_SECONDS = 600.0
"""Far beyond the time that anything awaited here takes, and below the time limit of a test."""
ENDED = {"succeeded", "failed", "cancelled"}


def until(condition: Callable[[], Any]) -> Any:
    """What the condition gives as soon as that is true."""
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {HANG_SECONDS:.0f} s")


def ended(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job at its end."""
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        job = client.job(job["id"], wait=5)
        if job["status"] in ENDED:
            return job
    raise AssertionError(f"{job['id']} is still {job['status']}")


def started(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it has reported progress."""

    def running() -> dict[str, Any] | None:
        found = client.job(job["id"])
        return found if found["status"] == "running" and found["progress"] else None

    found: dict[str, Any] = until(running)
    return found
