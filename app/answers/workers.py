"""What the API answers about workers."""

from pydantic import BaseModel

from app.answers.described import DOCSTRINGS, described
from app.codes import WorkerStatus

WORKER_ID = "wrk_01KB0EVQ2N6Z4J8T5R1C7H3WKD"
WORKER = {
    "id": WORKER_ID,
    "name": "gpu1",
    "host": "gpu1.example.org",
    "status": "draining",
    "version": "0.15.0",
    "labels": {"zone": "b"},
    "slots": 2,
    "engine": "local",
    "threads": 16,
    "memory_mb": 50000,
    "device": "cuda",
    "device_name": "NVIDIA H100 80GB HBM3",
    "started_at": "2026-11-23T17:50:12.002Z",
    "heartbeat_at": "2026-11-23T18:00:03.518Z",
    "drain": {
        "since": "2026-11-23T17:59:40.100Z",
        "reason": "a new disk",
        "requeue": False,
    },
    "jobs": ["job_01KB0F5T3Y7Q1W8ZC2N4R6M9XD"],
    "datasets": [],
}


class Drain(BaseModel):
    """A worker that is taken out of service."""

    model_config = DOCSTRINGS

    since: str
    """When it was first asked to take no more jobs (RFC 3339, UTC)."""
    reason: str
    """Why, as its operator said; may be empty."""
    requeue: bool
    """Whether it gives its jobs back to the queue, instead of training them to their end."""


class Worker(BaseModel):
    """A worker: a process that trains jobs, from its start to its end."""

    model_config = described("workers.WORKER")

    id: str
    """`wrk_` and 26 characters; another one after each start, and ids sort by the start."""
    name: str
    """What people call it: TRAIND_WORKER_NAME, or the name of its host. No other living worker has
    it."""
    host: str
    """The name of its host."""
    status: WorkerStatus
    """Whether it takes jobs: `ready`, `draining`, `drained`, or `lost`."""
    version: str
    """Version of its traind."""
    labels: dict[str, str]
    """What jobs may require of it."""
    slots: int
    """How many jobs it trains at once."""
    engine: str
    """Where they execute: `local` for its machine, `ray` for a cluster."""
    threads: int
    """Most threads of one of its jobs."""
    memory_mb: int
    """Memory that it gives each run, in MB."""
    device: str
    """`cuda` where its runs find a GPU, or `cpu`."""
    device_name: str | None
    """What the GPU calls itself; null without one."""
    started_at: str
    """When it said for the first time that it lives (RFC 3339, UTC)."""
    heartbeat_at: str
    """When it said so last (RFC 3339, UTC); it does every 5 s."""
    drain: Drain | None
    """That it is taken out of service; null while it takes jobs."""
    jobs: list[str]
    """Ids of the jobs that it trains, oldest first."""
    datasets: list[str]
    """Ids of the datasets that it imports."""
