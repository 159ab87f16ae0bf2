"""The curves of a job, as JSON or CSV."""

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from app.answers.jobs import MetricPoint
from app.answers.pages import Page
from app.api import answering
from app.api.cursors import count, cursor, sort_key
from app.api.parameters import After, JobId
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
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
    behind = sort_key(after, str, count)
    with database.read() as connection:
        jobs.get(connection, job_id)
    if form == "csv" or (form is None and "text/csv" in accept):
        return StreamingResponse(_csv(database, job_id), media_type="text/csv; charset=utf-8")
    with database.read() as connection:
        found = metrics.points(connection, job_id, behind, limit + 1)
    page = found[:limit]
    return Page(
        data=[answering.point(point) for point in page],
        next=cursor(page[-1].name, page[-1].step) if len(found) > limit else None,
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
