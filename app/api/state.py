"""What the lifespan builds and every handler may use."""

from pathlib import Path
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Request

from app.api.auth import Guard
from app.api.watch import Watcher
from app.serving.catalog import Catalog
from app.serving.decoding import DecodingPool
from app.settings import Settings
from app.store.database import Database
from app.store.keys import Key
from app.store.objects import Objects
from app.store.uploads import Uploads


class State(TypedDict):
    """The parts of a running API.

    For each request the gate adds `key` and `request_id`, and app/direct.py the `body` that it has
    collected.
    """

    database: Database
    catalog: Catalog
    decoding: DecodingPool
    watcher: Watcher
    guard: Guard
    objects: Objects
    uploads: Uploads
    settings: Settings
    backbones: Path
    """Folder of the weights of backbones."""
    destinations: Path | None
    """The operator's file of destinations of webhooks."""
    body_limit: int
    """Most bytes of a request's body."""
    upload_limit: int
    """Most bytes of an uploaded file."""


# Coroutines, because FastAPI calls plain functions in a thread.
async def _database(request: Request) -> Database:
    return cast(Database, request.state.database)


async def _catalog(request: Request) -> Catalog:
    return cast(Catalog, request.state.catalog)


async def _objects(request: Request) -> Objects:
    return cast(Objects, request.state.objects)


async def _uploads(request: Request) -> Uploads:
    return cast(Uploads, request.state.uploads)


async def _backbones(request: Request) -> Path:
    return cast(Path, request.state.backbones)


async def _settings(request: Request) -> Settings:
    return cast(Settings, request.state.settings)


async def _destinations(request: Request) -> Path | None:
    return cast(Path | None, request.state.destinations)


async def _watcher(request: Request) -> Watcher:
    return cast(Watcher, request.state.watcher)


async def _key(request: Request) -> str | None:
    key: Key | None = request.state.key
    return key.id if key else None


async def _request_id(request: Request) -> str | None:
    return cast(str | None, getattr(request.state, "request_id", None))


TheDatabase = Annotated[Database, Depends(_database)]
TheCatalog = Annotated[Catalog, Depends(_catalog)]
TheObjects = Annotated[Objects, Depends(_objects)]
TheUploads = Annotated[Uploads, Depends(_uploads)]
TheSettings = Annotated[Settings, Depends(_settings)]
TheBackbones = Annotated[Path, Depends(_backbones)]
TheDestinations = Annotated[Path | None, Depends(_destinations)]
TheWatcher = Annotated[Watcher, Depends(_watcher)]
TheRequestId = Annotated[str | None, Depends(_request_id)]
TheKey = Annotated[str | None, Depends(_key)]
"""Id of the API key of the request; None where none was asked for."""
