"""The curves of a job, as JSON or CSV."""

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse

from app.api.parameters import MAX_INTEGER, After, JobId
from app.api.problems import documented
from app.api.routes import Route, needs
from app.api.schemas import MetricPoint, Page
from app.api.state import TheDatabase
from app.store import jobs, metrics
from app.store.database import Database
from app.store.errors import JobNotFound
from app.store.keys import Scope

router = APIRouter(prefix="/jobs/{job_id}/metrics", tags=["jobs"], route_class=Route)

CSV_POINTS = 5000
"""Points that a CSV answer reads in one transaction."""
CSV_EXAMPLE = "name,step,epoch,value\ntrain_loss,13500,1,0.2931\n"


@router.get(
    "",
    summary="The curves of a job",
    response_model=Page[MetricPoint],
    responses={
        200: {"content": {"text/csv": {"example": CSV_EXAMPLE}}},
        **documented(JobNotFound),
    },
)
@needs(Scope.READ)
def list_points(
    *,
    job_id: JobId,
    database: TheDatabase,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Most points to answer.")] = 1000,
    after: After = None,
    form: Annotated[
        Literal["json", "csv"] | None,
        Query(alias="format", description="`csv` is the whole as a table; so is Accept: text/csv."),
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Page[MetricPoint] | Response:
    """Every measured value, by name and step."""
    with database.read() as connection:
        jobs.get(connection, job_id)
    if form == "csv" or (form is None and "text/csv" in accept):
        return StreamingResponse(_csv(database, job_id), media_type="text/csv; charset=utf-8")
    with database.read() as connection:
        found = metrics.points(connection, job_id, _cursor(after), limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        data=[MetricPoint.of(point) for point in found[:limit]],
        next=f"{last.name}:{last.step}" if last else None,
    )


def _csv(database: Database, job_id: str) -> Iterator[str]:
    yield "name,step,epoch,value\n"
    after: tuple[str, int] | None = None
    while True:
        with database.read() as connection:
            found = metrics.points(connection, job_id, after, CSV_POINTS)
        yield "".join(f"{p.name},{p.step},{p.epoch},{p.value!r}\n" for p in found)
        if len(found) < CSV_POINTS:
            return
        after = (found[-1].name, found[-1].step)


def _cursor(after: str | None) -> tuple[str, int] | None:
    if after is None:
        return None
    name, _, step = after.rpartition(":")
    if not name or not step.isdecimal() or int(step) > MAX_INTEGER:
        msg = "must be the `next` of a page"
        raise RequestValidationError([{"type": "cursor", "loc": ("query", "after"), "msg": msg}])
    return name, int(step)
