"""The tool that waits for a job. Clients give up on a call, so that it ends before they do."""

from functools import partial
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from mcp.server.mcpserver import Context
from pydantic import Field

from app.client import Client
from app.mcp.connection import service
from app.mcp.job_answers import JobState
from app.mcp.jobs import JobId

MAX_SECONDS = 50
"""Below the 60 s after which clients of the official SDKs give up on a request."""
REPORT_SECONDS = 5.0
"""How often progress is told."""
WAITING = anyio.CapacityLimiter(1000)
"""Threads of calls that wait: their own, so that they take none from calls that answer at once."""
RESTING = {"paused", "succeeded", "failed", "cancelled"}
"""States that a job does not leave by itself."""


async def wait_for_job(
    context: Context,
    job: JobId,
    seconds: Annotated[
        float, Field(ge=0, le=MAX_SECONDS, description="Longest wait, in seconds.")
    ] = 45,
) -> JobState:
    """Wait until a job has ended or is paused, at most `seconds` (50 or less), and say where it
    is. Progress is told every 5 s. A job may take longer: call it again, as `next` says."""
    client = service()
    deadline = anyio.current_time() + seconds
    found = await run_sync(client.job, job)
    while found["status"] not in RESTING and (left := deadline - anyio.current_time()) > 0:
        await _report(context, found)
        look = partial(client.job, job, wait=min(left, REPORT_SECONDS))
        found = await run_sync(look, limiter=WAITING)
    state = JobState.of(found)
    if found["status"] == "queued" and not await run_sync(_has_worker, client):
        state.next = "No worker is alive, so that it waits: `traind worker` starts one."
    return state


async def _report(context: Context, job: dict[str, Any]) -> None:
    progress = job["progress"]
    if progress is None:
        await context.report_progress(0, 100, job["status"])
        return
    message = f"{job['status']}, epoch {progress['epoch']}/{progress['epochs']}"
    if progress["eta_seconds"] is not None:
        message += f", {progress['eta_seconds']:.0f} s left"
    await context.report_progress(progress["percent"], 100, message)


def _has_worker(client: Client) -> bool:
    return bool(client.ready()["worker_alive"])
