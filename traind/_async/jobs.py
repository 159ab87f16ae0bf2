"""A job, as long as somebody holds it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, Literal, Self

from app import answers
from app.codes import ENDED
from traind._async.connection import AsyncConnection
from traind._async.models import AsyncModel
from traind.connecting import path_of
from traind.curves import Curves
from traind.errors import JobFailed, NoModel
from traind.progress import following
from traind.shown import AsyncShownJob

WAIT_SECONDS = 30.0
"""How long one request waits for a change."""
LOOK_SECONDS = 0.5
"""How long one waits where progress is shown."""


class AsyncJob(AsyncShownJob):
    """A training job. `answer` is what the API said of it last."""

    def __init__(self, connection: AsyncConnection, answer: answers.jobs.Job) -> None:
        self.answer = answer
        self._connection = connection

    @property
    def id(self) -> str:
        """`job_` and 26 characters."""
        return self.answer.id

    @property
    def status(self) -> str:
        """Where it was in its life, when the API was asked last."""
        return self.answer.status.value

    @property
    def has_ended(self) -> bool:
        """Whether it had succeeded, failed or been cancelled."""
        return self.answer.ended_at is not None

    async def refresh(self, wait: float = 0) -> Self:
        """Asks how it is: at once, or at its next change of state within `wait` seconds."""
        self.answer = await self._connection.read(
            answers.jobs.Job, "GET", self._path(), query={"wait": wait or None}
        )
        return self

    async def wait(self, *, progress: bool = False, timeout: float | None = None) -> Self:
        """Returns once it has succeeded. With `progress` it is shown meanwhile.

        An interrupted wait leaves the job running. A paused job is waited for, too.

        Raises:
            JobFailed: it has failed, or was cancelled.
            TimeoutError: it has not ended within `timeout` seconds; it goes on.
            httpx.TransportError: the service cannot be reached any more.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with following(self, shown=progress) as show:
            show()
            while not self.has_ended:
                left = WAIT_SECONDS if until is None else until - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{self.id} has not ended; it goes on")
                await self.refresh(min(left, LOOK_SECONDS if progress else WAIT_SECONDS))
                show()
        if self.status != "succeeded":
            raise JobFailed(self.answer)
        return self

    async def events(self) -> list[answers.jobs.Event]:
        """What has happened to it so far."""
        pages = self._connection.each(answers.jobs.Event, self._path("/events"), None, most=1000)
        return [event async for event in pages]

    async def watch(self) -> AsyncIterator[answers.jobs.Event | answers.jobs.LiveProgress]:
        """What happens to it, from the beginning to the end; its progress in between.

        Raises:
            httpx.TransportError: the service cannot be reached any more.
        """
        async for message in self._connection.messages(self._path("/events")):
            if message.event == "progress":
                yield answers.jobs.LiveProgress.model_validate_json(message.data)
            else:
                event = answers.jobs.Event.model_validate_json(message.data)
                yield event
                if event.data.get("status") in ENDED:
                    return

    async def metrics(self) -> Curves:
        """Every point of its curves."""
        points = self._connection.each(
            answers.jobs.MetricPoint, self._path("/metrics"), None, most=10_000
        )
        return Curves([point async for point in points])

    async def charts(self) -> list[answers.charts.ChartData]:
        """The pictures of its report as numbers, thinned to what a picture can show."""
        page = answers.pages.Page[answers.charts.ChartData]
        return (await self._connection.read(page, "GET", self._path("/charts"))).data

    async def plot(self) -> Any:
        """Its losses and accuracies as a matplotlib figure."""
        return (await self.metrics()).plot(self.answer.name)

    async def diagnosis(self) -> answers.diagnoses.Diagnosis:
        """What is wrong with the run, and the specification to try instead."""
        return await self._connection.read(
            answers.diagnoses.Diagnosis, "GET", self._path("/diagnosis")
        )

    async def explain(self, form: Literal["markdown", "html"] = "markdown") -> str:
        """Why the run did as it did: a report."""
        return (await self._connection.get(self._path("/explain"), format=form)).decode()

    async def cancel(self) -> Self:
        """Asks it to stop for good."""
        return await self._move("cancel")

    async def pause(self) -> Self:
        """Asks it to stop for a while; it keeps a checkpoint."""
        return await self._move("pause")

    async def resume(self) -> Self:
        """Queues it again after a pause."""
        return await self._move("resume", repeatable=False)

    async def retry(
        self,
        *,
        begin: Literal["start", "checkpoint"] = "start",
        apply: Literal["suggestion"] | None = None,
        patch: dict[str, Any] | None = None,
    ) -> AsyncJob:
        """A new job like this one, once it has ended: from its start or its newest checkpoint.

        `apply="suggestion"` corrects its specification as the diagnosis has it; `patch` is a JSON
        merge patch (RFC 7396) of your own.

        Raises:
            Problem: it has not ended, or nothing is suggested, or the patch is refused.
        """
        return await self._made("/retry", {"begin": begin, "apply": apply, "patch": patch})

    async def test_rates(self, **rates: float) -> AsyncJob:
        """A learning-rate range test of this job: `lowest`, `highest`, `batches`."""
        return await self._made("/lr-range", rates)

    async def rates(self) -> answers.diagnoses.RangeTest:
        """What its newest range test recommends."""
        return await self._connection.read(
            answers.diagnoses.RangeTest, "GET", self._path("/lr-range")
        )

    async def model(self) -> AsyncModel:
        """The model that it has made.

        Raises:
            NoModel: it has made none (yet).
        """
        if self.answer.model is None:
            await self.refresh()
        if self.answer.model is None:
            raise NoModel(f"{self.id} has no model: it is {self.status}.")
        return await AsyncModel.get(self._connection, self.answer.model)

    async def _move(self, wish: str, *, repeatable: bool = True) -> Self:
        path = self._path(f"/{wish}")
        self.answer = await self._connection.read(
            answers.jobs.Job, "POST", path, repeatable=repeatable
        )
        return self

    async def _made(self, part: str, body: dict[str, Any]) -> AsyncJob:
        made = await self._connection.read(
            answers.jobs.Job, "POST", self._path(part), makes=True, json=body
        )
        return AsyncJob(self._connection, made)

    def _path(self, part: str = "") -> str:
        return path_of("jobs", self.id, part)
