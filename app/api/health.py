"""Whether the API lives, and whether it can work."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from app.answers.described import described
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheDatabase
from app.store import workers
from app.store.errors import DatabaseBusy

router = APIRouter(tags=["service"], route_class=Route)


class Alive(BaseModel):
    """The process answers."""

    model_config = described({"status": "alive"})

    status: Literal["alive"]
    """Always `alive`."""


class Ready(BaseModel):
    """The API can work."""

    model_config = described({"status": "ready", "database": "ok", "worker_alive": True})

    status: Literal["ready"]
    """Always `ready`; otherwise the answer is a 503 problem."""
    database: Literal["ok"]
    """The database has answered."""
    worker_alive: bool
    """Whether a worker has said within 30 s that it lives. Without one, jobs wait."""


@router.get("/healthz", summary="Is the process alive?")
@needs(None, takes_any_query=True)
async def healthz() -> Alive:
    """Answers without touching the database."""
    return Alive(status="alive")


@router.get("/readyz", summary="Can it work?", responses=documented(DatabaseBusy))
@needs(None, takes_any_query=True)
def readyz(database: TheDatabase) -> Ready:
    """Asks the database."""
    with database.read() as connection:
        alive = workers.any_alive(connection)
    return Ready(status="ready", database="ok", worker_alive=alive)
