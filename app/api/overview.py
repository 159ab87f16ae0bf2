"""How the service stands, in one answer: what a start page shows."""

import shutil
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from app.answers.described import described
from app.api.routes import Route, needs
from app.api.state import TheDatabase, TheSettings
from app.codes import Status
from app.settings import Settings
from app.store import statistics, workers
from app.store.keys import Scope

router = APIRouter(prefix="/overview", tags=["service"], route_class=Route)

OVERVIEW = {
    "jobs": {
        "queued": 1,
        "running": 1,
        "paused": 0,
        "succeeded": 12,
        "failed": 2,
        "cancelled": 0,
    },
    "worker_alive": True,
    "free_bytes": 21474836480,
    "reference": "mnist",
}


class Overview(BaseModel):
    """How the service stands."""

    model_config = described(OVERVIEW)

    jobs: dict[Status, int]
    """How many jobs are in each state."""
    worker_alive: bool
    """Whether a worker has said within 30 s that it lives. Without one, jobs wait."""
    free_bytes: int
    """What is free on the disk of the service's home, in bytes."""
    reference: Literal["mnist", "digits"]
    """The dataset to try first: `mnist` where its files are there, `digits` otherwise."""


@router.get("", summary="How does the service stand?")
@needs(Scope.READ)
def get_overview(database: TheDatabase, settings: TheSettings) -> Overview:
    """Counts of jobs, whether anybody works on them, and the room that is left."""
    with database.read() as connection:
        counts = statistics.count_by_status(connection)
        alive = workers.any_alive(connection)
    return Overview(
        jobs=counts,
        worker_alive=alive,
        free_bytes=shutil.disk_usage(settings.home).free,
        reference="mnist" if _has_mnist(settings) else "digits",
    )


def _has_mnist(settings: Settings) -> bool:
    """Whether MNIST was decoded before, or its files lie where a worker looks first."""
    home = settings.home / "datasets"
    folders = [home, *([settings.datasets] if settings.datasets else [])]
    return (home / "mnist").is_dir() or any(
        (folder / "MNIST" / "raw").is_dir() for folder in folders
    )
