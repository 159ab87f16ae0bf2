"""The body of a request that is a job's specification: checked with what the service knows."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app import destinations
from app.api import examples
from app.api.state import TheBackbones, TheDatabase, TheDestinations, TheSettings
from app.jobspec import JobSpec, backbones
from app.settings import Settings
from app.store import datasets
from app.store.database import Database

SPEC_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/JobSpec"},
                "examples": examples.SPECS,
            }
        }
    }
}
"""What /docs says of such a body; `description.py` adds the schema."""


async def _submitted(
    request: Request,
    database: TheDatabase,
    folder: TheBackbones,
    file: TheDestinations,
    settings: TheSettings,
) -> JobSpec:
    """FastAPI would validate the body without the datasets and the backbones that there are."""
    body = await request.json() if await request.body() else {}
    spec = await run_in_threadpool(_validated, body, database)
    check_backbone(spec, folder)
    check_webhooks(spec, file)
    check_workers(spec, settings)
    return spec


def check_backbone(spec: JobSpec, folder: Path, place: str = "body") -> None:
    """Checks that the weights from which a new job starts are in the folder.

    `place` is where the specification, or what changes it, stands in the request.

    Raises:
        RequestValidationError: they are not; it says where to get them.
    """
    name = spec.model.backbone
    if name is not None and not backbones.file(folder, name).exists():
        message = f"the weights of {name} are missing. {backbones.how_to_get(name)}"
        missing = {"type": "missing_backbone", "loc": (place, "model", "backbone")}
        raise RequestValidationError([{**missing, "msg": message, "input": name}])


def check_webhooks(spec: JobSpec, file: Path | None, place: str = "body") -> None:
    """Checks that the operator allows the destinations of a new job; `place` as above.

    Raises:
        RequestValidationError: one is not allowed; it lists those that are.
        BadDestinations: the operator's file cannot be used.
    """
    try:
        destinations.check(file, spec.webhooks)
    except destinations.UnknownDestination as unknown:
        where = (place, "webhooks", spec.webhooks.index(unknown.name))
        error = {"type": "unknown_destination", "loc": where, "msg": str(unknown)}
        raise RequestValidationError([{**error, "input": unknown.name}]) from unknown


def check_workers(spec: JobSpec, settings: Settings, place: str = "body") -> None:
    """Checks that the service's engine has as many workers as a new job wants; `place` as above.

    Raises:
        RequestValidationError: it has one.
    """
    workers = spec.resources.workers
    if workers > 1 and settings.engine == "local":
        error = {"type": "needs_ray", "loc": (place, "resources", "workers"), "input": workers}
        message = "more than 1 needs a service with TRAIND_ENGINE=ray (docs/ray.md); leave it at 1"
        raise RequestValidationError([{**error, "msg": message}])


def _validated(body: Any, database: Database) -> JobSpec:
    with database.read() as connection:
        known = datasets.known_to(connection, body)
    try:
        return JobSpec.model_validate(body, context=known)
    except ValidationError as error:
        refused = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(refused) from error


TheSpec = Annotated[JobSpec, Depends(_submitted)]
"""The specification in the body; `{}` or no body is the reference."""
