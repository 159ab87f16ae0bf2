"""What happens to a job: as a list, or as server-sent events while it happens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from app.answers.jobs import Event, LiveProgress
from app.answers.pages import Page
from app.api import answering
from app.api.parameters import MAX_INTEGER, JobId
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheDatabase, TheKey, TheWatcher
from app.api.watch import Watch, Watcher
from app.codes import ENDED
from app.store import events, jobs
from app.store.database import Database
from app.store.errors import JobNotFound
from app.store.keys import Scope

router = APIRouter(prefix="/jobs/{job_id}/events", tags=["jobs"], route_class=Route)

BATCH = 500
"""Events that a stream reads in one transaction."""
PAUSE_SECONDS = 0.25
"""Between two looks of a stream: at most four progress messages a second."""
KEEP_ALIVE_SECONDS = 15.0
"""Silence after which a stream says that it lives, for the proxies on the way."""
KEEP_ALIVE = format_sse_event(comment="keep-alive")
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
STREAM_EXAMPLE = """\
event: log
data: {"id":17,"at":"2026-11-23T18:00:03.456Z","kind":"log","message":"[1,  2000] loss: 0.312",\
"data":{"epoch":1,"batch":2000,"loss":0.312}}
id: 17

event: progress
data: {"progress":{"epoch":1,"epochs":10,"step":2031,"steps":135000,"percent":1.5,\
"samples_per_second":11000.0,"eta_seconds":48.4},"metrics":{}}

"""


@router.get(
    "",
    summary="What happened to a job",
    response_model=Page[Event],
    responses={
        200: {
            "description": "A page of events; or, asked with `Accept: text/event-stream`, a stream "
            "of every event, with `progress` messages without a number in between, until the end",
            "content": {"text/event-stream": {"example": STREAM_EXAMPLE}},
        },
        204: {"description": "The stream has been read to its end: browsers ask no more"},
        **documented(JobNotFound),
    },
)
@needs(Scope.READ)
async def list_events(
    *,
    job_id: JobId,
    database: TheDatabase,
    watcher: TheWatcher,
    key: TheKey,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most events to answer.")] = 100,
    after: Annotated[
        int, Query(ge=0, le=MAX_INTEGER, description="Only events with higher numbers.")
    ] = 0,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=MAX_INTEGER, description="Where a broken stream is taken up again."),
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Page[Event] | Response:
    """Events in their order, from behind the number `after` or `Last-Event-ID`."""
    if last_event_id is not None:
        after = last_event_id
    if "text/event-stream" in accept:
        job, rest = await run_in_threadpool(_look, database, job_id, after, 1)
        if job.status in ENDED and not rest:
            return Response(status_code=204)  # the standard's sign to stop reconnecting
        return EventStream(database, watcher, job_id, after, key)
    _, found = await run_in_threadpool(_look, database, job_id, after, limit + 1)
    more = len(found) > limit
    data = [answering.event(event) for event in found[:limit]]
    return Page(data=data, next=str(data[-1].id) if more else None)


class EventStream(EventSourceResponse):
    """Sends a job's events until its last, or until the key that asked for them is revoked.

    The watch lasts exactly as long as the response is sent: a generator that never started would
    never run its `finally`.
    """

    def __init__(
        self, database: Database, watcher: Watcher, job_id: str, after: int, key: str | None = None
    ) -> None:
        self._database = database
        self._watcher = watcher
        self._job_id = job_id
        self._after = after
        self._key = key
        super().__init__(content=(), headers=HEADERS)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        with self._watcher.watch(self._job_id, self._key) as watch:
            self.body_iterator = self._messages(watch)
            await super().__call__(scope, receive, send)

    async def _messages(self, watch: Watch) -> AsyncIterator[bytes]:
        shown = ""
        while not watch.closed:
            job, found = await run_in_threadpool(
                _look, self._database, self._job_id, self._after, BATCH
            )
            ended = job.status in ENDED and len(found) < BATCH
            live = _live(job)
            if live and live != shown:
                shown = live
                yield format_sse_event(event="progress", data_str=live)
            for event in found:
                self._after = event.id
                data = answering.event(event).model_dump_json()
                yield format_sse_event(event=event.kind, data_str=data, id=str(event.id))
            if ended:
                return
            if len(found) == BATCH:
                continue
            await asyncio.sleep(PAUSE_SECONDS)
            while not await watch.changed(KEEP_ALIVE_SECONDS):
                yield KEEP_ALIVE


def _live(job: jobs.Job) -> str:
    """What a progress message says now; empty before the run's first report."""
    shown = answering.job(job)
    if shown.progress is None:
        return ""
    return LiveProgress(progress=shown.progress, metrics=shown.metrics).model_dump_json()


def _look(
    database: Database, job_id: str, after: int, limit: int
) -> tuple[jobs.Job, list[events.Event]]:
    with database.read() as connection:
        return jobs.get(connection, job_id), events.after(connection, job_id, after, limit)
