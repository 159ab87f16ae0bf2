"""Jobs as lists show them: in pages, and as a stream of those that change."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from app.answers.examples import SUMMARY
from app.answers.jobs import JobSummary
from app.answers.pages import Page
from app.api import answering
from app.api.cursors import cursor, id_of, sort_key
from app.api.events import HEADERS, KEEP_ALIVE, KEEP_ALIVE_SECONDS
from app.api.parameters import After, DatasetFilter, LabelFilter, StatusFilter, label_of
from app.api.routes import Route, needs
from app.api.state import TheDatabase, TheKey, TheWatcher
from app.api.watch import ALL_JOBS, Watch, Watcher
from app.codes import ENDED, Status
from app.jobspec import Text
from app.store import jobs
from app.store.database import Database
from app.store.keys import Scope

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=Route)
# Before the routes of app.api.jobs in the application, where `summaries` would be a job's id.

OPEN = [status for status in Status if status not in ENDED]
MOST_FOLLOWED = 1000
"""Jobs that have not ended whose changes one stream tells of: the newest."""
MOST_NEW = 100
"""Jobs submitted between two looks of a stream of which it tells: the newest."""
PAUSE_SECONDS = 0.5
"""Between two looks of a stream: at most two messages a second for each job."""
STREAM_EXAMPLE = f"event: job\ndata: {JobSummary(**SUMMARY).model_dump_json()}\n\n"


@router.get("/summaries", summary="List jobs in short, newest first")
@needs(Scope.READ)
def list_summaries(
    *,
    database: TheDatabase,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most items to answer.")] = 100,
    after: After = None,
    statuses: StatusFilter = [],  # noqa: B006 (FastAPI copies it)
    labels: LabelFilter = [],  # noqa: B006
    dataset: DatasetFilter = None,
    range_of: Annotated[
        str | None, Query(max_length=40, description="Only range tests of this job."), Text
    ] = None,
    text: Annotated[
        str | None,
        Query(max_length=200, description="Only jobs with this in their name or id."),
        Text,
    ] = None,
) -> Page[JobSummary]:
    """Jobs that match every filter, without their specifications."""
    wanted = dict(label_of(each) for each in labels)
    (behind,) = sort_key(after, id_of("job_")) or (None,)
    with database.read() as connection:
        found = jobs.newest(
            connection,
            limit + 1,
            behind,
            statuses,
            wanted,
            dataset=dataset,
            text=text,
            range_of=range_of,
        )
    page = found[:limit]
    return Page(
        data=[answering.summary(job) for job in page],
        next=cursor(page[-1].id) if len(found) > limit else None,
    )


@router.get(
    "/changes",
    summary="Follow all jobs",
    response_model=None,
    responses={
        200: {
            "description": "A stream of `job` messages, each with a job's summary: first the jobs "
            "that have not ended, then each job that is submitted, gets on or ends",
            "content": {"text/event-stream": {"example": STREAM_EXAMPLE}},
        }
    },
)
@needs(Scope.READ)
async def follow_jobs(
    database: TheDatabase, watcher: TheWatcher, key: TheKey
) -> EventSourceResponse:
    """Server-sent events without numbers: after a break, read the list again."""
    return ChangeStream(database, watcher, key)


class ChangeStream(EventSourceResponse):
    """Sends the summary of every job that changes, until its reader goes or loses the key."""

    def __init__(self, database: Database, watcher: Watcher, key: str | None) -> None:
        self._database = database
        self._watcher = watcher
        self._key = key
        self._newest = ""
        self._followed: dict[str, str] = {}
        """What was sent last of each job that had not ended then."""
        super().__init__(content=(), headers=HEADERS)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        with self._watcher.watch(ALL_JOBS, self._key) as watch:
            self.body_iterator = self._messages(watch)
            await super().__call__(scope, receive, send)

    async def _messages(self, watch: Watch) -> AsyncIterator[bytes]:
        yield KEEP_ALIVE  # the reader learns at once that the stream is open
        while not watch.closed:
            for text in await run_in_threadpool(self._changed):
                yield format_sse_event(event="job", data_str=text)
            await asyncio.sleep(PAUSE_SECONDS)
            while not await watch.changed(KEEP_ALIVE_SECONDS):
                yield KEEP_ALIVE

    def _changed(self) -> list[str]:
        """The summaries that are not as they were sent last, oldest job first."""
        with self._database.read() as connection:
            found = {job.id: job for job in jobs.some(connection, self._followed)}
            still_open = jobs.newest(connection, MOST_FOLLOWED, statuses=OPEN)
            recent = jobs.newest(connection, MOST_NEW)
        is_first = not self._newest
        found |= {job.id: job for job in still_open}
        if not is_first:
            found |= {job.id: job for job in recent if job.id > self._newest}
        self._newest = recent[0].id if recent else "job_"
        told = []
        for job in sorted(found.values(), key=lambda each: each.id):
            text = answering.summary(job).model_dump_json()
            if text != self._followed.get(job.id):
                told.append(text)
            if job.status in ENDED:
                self._followed.pop(job.id, None)
            else:
                self._followed[job.id] = text
        return told
