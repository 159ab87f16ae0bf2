"""A client of one service."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import httpx

from app import answers
from traind._async.connection import AsyncConnection
from traind._async.datasets import AsyncDatasets
from traind._async.jobs import AsyncJob
from traind._async.models import AsyncModel
from traind.connecting import opened, path_of
from traind.errors import NoModel, Problem

if TYPE_CHECKING:
    from app.jobspec import JobSpec


class AsyncClient:
    """Speaks to one traind service; a block (`with`) ends its connections."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 60.0,
        patience: float = 15.0,
        direct: bool | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        """`url` is by default that of TRAIND_URL, or http://127.0.0.1:8000; `key` is an API key, by
        default that of TRAIND_KEY where there is one.

        A request takes at most `timeout` seconds. Where the connection breaks it is sent again for
        `patience` seconds, and nothing is made twice. A `direct` client uses no proxy of the
        environment; by default only one whose URL is on the loopback is direct. `verify` checks
        certificates.

        Raises:
            BadKey: the key has characters that no key has.
            httpx.InvalidURL: the URL is none, or that of the environment's proxy cannot be used.
        """
        kind = httpx.AsyncClient
        http = opened(kind, url, key, timeout=timeout, direct=direct, verify=verify)
        self.url = str(http.base_url)
        """Where the service is."""
        self._connection = AsyncConnection(http, patience)
        self.datasets = AsyncDatasets(self._connection)
        """Datasets of one's own."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends its connections."""
        await self._connection.close()

    async def train(
        self, spec: Mapping[str, Any] | JobSpec | None = None, **fields: Any
    ) -> AsyncJob:
        """Submits a job. Without anything it is the reference: a 784-500-10 network on MNIST.

        `spec` is a specification as POST /jobs takes it, or `traind.JobSpec`; fields may be named
        instead: `client.train(preset="images", dataset={"name": "my-cats"})`.

        Raises:
            BadInput: a field has no form in JSON, such as a number that is not finite.
            Problem: it is refused; `errors` names the fields.
        """
        sent = _as_json(spec) | fields
        kind = answers.jobs.Job
        made = await self._connection.read(kind, "POST", "/jobs", makes=True, json=sent)
        return AsyncJob(self._connection, made)

    async def validate(
        self, spec: Mapping[str, Any] | JobSpec | None = None, **fields: Any
    ) -> answers.jobs.Plan:
        """What a specification would run, and how long it would take; nothing is stored.

        Raises:
            BadInput: a field has no form in JSON, such as a number that is not finite.
            Problem: it is refused; `errors` names the fields.
        """
        sent = _as_json(spec) | fields
        return await self._connection.read(answers.jobs.Plan, "POST", "/jobs/validate", json=sent)

    async def job(self, job_id: str) -> AsyncJob:
        """The job of this id.

        Raises:
            Problem: there is none.
        """
        path = path_of("jobs", job_id)
        found = await self._connection.read(answers.jobs.Job, "GET", path)
        return AsyncJob(self._connection, found)

    async def jobs(self, limit: int | None = None, **filters: Any) -> AsyncIterator[AsyncJob]:
        """Jobs that match every filter, newest first: `status`, `label`; None is all of them.

        Raises:
            Problem: a filter is refused.
        """
        async for answer in self._connection.each(answers.jobs.Job, "/jobs", limit, **filters):
            yield AsyncJob(self._connection, answer)

    async def summaries(
        self, limit: int | None = None, **filters: Any
    ) -> AsyncIterator[answers.jobs.JobSummary]:
        """Jobs as lists show them, without their specifications: `status`, `label`, `dataset`,
        `text`."""
        kind = answers.jobs.JobSummary
        async for answer in self._connection.each(kind, "/jobs/summaries", limit, **filters):
            yield answer

    async def workers(self, limit: int | None = None) -> AsyncIterator[answers.workers.Worker]:
        """Workers with the jobs that they train, in the order of their starts."""
        kind = answers.workers.Worker
        async for worker in self._connection.each(kind, "/workers", limit):
            yield worker

    async def worker(self, ref: str) -> answers.workers.Worker:
        """The worker that an id or a name names.

        Raises:
            Problem: there is none.
        """
        path = path_of("workers", ref)
        return await self._connection.read(answers.workers.Worker, "GET", path)

    async def drain_worker(
        self, ref: str, reason: str = "", *, requeue: bool = False
    ) -> answers.workers.Worker:
        """Has a worker take no more jobs; `requeue` has it give back those that it has.

        Raises:
            Problem: there is none, or the key is not an administrator's.
        """
        path, sent = path_of("workers", ref, "/drain"), {"reason": reason, "requeue": requeue}
        return await self._connection.read(answers.workers.Worker, "POST", path, json=sent)

    async def resume_worker(self, ref: str) -> answers.workers.Worker:
        """Has a drained worker take jobs again.

        Raises:
            Problem: there is none, or the key is not an administrator's.
        """
        path = path_of("workers", ref, "/resume")
        return await self._connection.read(answers.workers.Worker, "POST", path)

    async def presets(self) -> list[answers.jobs.Preset]:
        """Recipes to start a job from, each with the specification that it means."""
        pages = self._connection.each(answers.jobs.Preset, "/presets", None)
        return [preset async for preset in pages]

    async def model(self, ref: str | None = None) -> AsyncModel:
        """The model that an id or an alias names; without one that of production, or the latest.

        What it names is looked up now: predictions stay those of this model.

        Raises:
            Problem: there is no such model.
            NoModel: there is no model at all.
        """
        if ref is not None:
            return await AsyncModel.get(self._connection, ref)
        for alias in ("production", "latest"):
            try:
                return await AsyncModel.get(self._connection, alias)
            except Problem as problem:
                if problem.code != "model_not_found":
                    raise
        raise NoModel("There is no model yet: train one.")

    async def models(self, limit: int | None = None, **filters: Any) -> AsyncIterator[AsyncModel]:
        """Models that match every filter: `sort`, `dataset`, `min_accuracy`, `label`, `job`.

        Raises:
            Problem: a filter is refused.
        """
        kind = answers.models.TrainedModel
        async for answer in self._connection.each(kind, "/models", limit, **filters):
            yield AsyncModel(self._connection, answer)

    async def aliases(self) -> list[answers.models.Alias]:
        """Every alias, by name, with what it named before."""
        pages = self._connection.each(answers.models.Alias, "/models/aliases", None)
        return [alias async for alias in pages]

    async def roll_back(self, alias: str = "production") -> answers.models.Alias:
        """Makes the alias name the model that it named before.

        Raises:
            Problem: it has named no other model that still exists.
        """
        path = path_of("models/aliases", alias, "/rollback")
        return await self._connection.read(answers.models.Alias, "POST", path, makes=True)


def _as_json(spec: Mapping[str, Any] | JobSpec | None) -> dict[str, Any]:
    if spec is None or isinstance(spec, Mapping):
        return dict(spec or {})
    return spec.model_dump(mode="json", exclude_unset=True)
