"""A short report on a run for people: each finding beside the picture that shows it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response

from app.answers.charts import ChartData
from app.answers.diagnoses import Finding
from app.answers.pages import Page
from app.api import answering, pages, pictures
from app.api.charts import Chart
from app.api.diagnoses import diagnosis_of
from app.api.parameters import JobId
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheDatabase
from app.codes import Picture
from app.store import diagnoses, jobs, metrics, retries
from app.store.errors import JobNotFound
from app.store.keys import Scope

router = APIRouter(prefix="/jobs", tags=["diagnosis"], route_class=Route)

MOST_POINTS = 30_000
"""Most metric points that are read: a job keeps fewer."""
ALWAYS = (Picture.LOSS, Picture.ACCURACY)
"""Pictures that every report has."""


@router.get(
    "/{job_id}/explain",
    summary="Why it fails, as a report",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/markdown": {"schema": {"type": "string"}},
                "text/html": {"schema": {"type": "string"}},
            }
        },
        **documented(JobNotFound),
    },
)
@needs(Scope.READ)
def explain(
    job_id: JobId,
    database: TheDatabase,
    form: Annotated[
        Literal["markdown", "html"] | None,
        Query(alias="format", description="`html` is a page; so is Accept: text/html."),
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """What was trained, how it ended, what was found and which picture shows it, what to change."""
    with database.read() as connection:
        stored = jobs.get(connection, job_id)
        found = diagnosis_of(stored, diagnoses.get(connection, job_id))
        points = metrics.points(connection, job_id, None, MOST_POINTS)
        job = answering.job(stored, retries.chain(connection, stored))
    charts = pictures.of(points, found.model_dump(mode="json"))
    values: dict[str, Any] = {
        "job": job,
        "found": found,
        "sections": _sections(found.findings, charts),
        "others": _other_charts(found.findings, charts),
    }
    if form == "html" or (form is None and pages.prefers_html(accept, "text/markdown")):
        return pages.html("explain.html", **values)
    answer = pages.markdown("explain.md", **values)
    answer.headers["Vary"] = "Accept"
    return answer


@router.get(
    "/{job_id}/charts", summary="A run's pictures as numbers", responses=documented(JobNotFound)
)
@needs(Scope.READ)
def list_charts(job_id: JobId, database: TheDatabase) -> Page[ChartData]:
    """The curves of the report's pictures, thinned, for a program that draws them itself."""
    with database.read() as connection:
        stored = jobs.get(connection, job_id)
        found = diagnosis_of(stored, diagnoses.get(connection, job_id))
        points = metrics.points(connection, job_id, None, MOST_POINTS)
    charts = pictures.of(points, found.model_dump(mode="json"))
    return Page(data=[answering.chart(name, each) for name, each in charts.items()], next=None)


def _sections(
    findings: list[Finding], charts: dict[Picture, Chart]
) -> list[tuple[Finding, Chart | None, bool]]:
    """Each finding with its chart, if it has one, and whether the report has shown that before."""
    shown: set[Picture] = set()
    sections = []
    for finding in findings:
        sections.append((finding, charts.get(finding.picture), finding.picture in shown))
        shown.add(finding.picture)
    return sections


def _other_charts(findings: list[Finding], charts: dict[Picture, Chart]) -> list[Chart]:
    """The charts that every report has and no finding shows."""
    shown = {finding.picture for finding in findings}
    return [charts[name] for name in ALWAYS if name in charts and name not in shown]
