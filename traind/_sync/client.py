# Made of traind/_async by scripts/sync_client.py: change it there.
"""A client of one service."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import httpx

from app import answers
from traind._sync.connection import Connection
from traind._sync.datasets import Datasets
from traind._sync.jobs import Job
from traind._sync.models import Model
from traind.connecting import opened, path_of
from traind.errors import NoModel, Problem

if TYPE_CHECKING:
    from app.jobspec import JobSpec


class Client:
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
        kind = httpx.Client
        http = opened(kind, url, key, timeout=timeout, direct=direct, verify=verify)
        self.url = str(http.base_url)
        """Where the service is."""
        self._connection = Connection(http, patience)
        self.datasets = Datasets(self._connection)
        """Datasets of one's own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends its connections."""
        self._connection.close()

    def train(self, spec: Mapping[str, Any] | JobSpec | None = None, **fields: Any) -> Job:
        """Submits a job. Without anything it is the reference: a 784-500-10 network on MNIST.

        `spec` is a specification as POST /jobs takes it, or `traind.JobSpec`; fields may be named
        instead: `client.train(preset="images", dataset={"name": "my-cats"})`.

        Raises:
            BadInput: a field has no form in JSON, such as a number that is not finite.
            Problem: it is refused; `errors` names the fields.
        """
        sent = _as_json(spec) | fields
        kind = answers.jobs.Job
        made = self._connection.read(kind, "POST", "/jobs", makes=True, json=sent)
        return Job(self._connection, made)

    def validate(
        self, spec: Mapping[str, Any] | JobSpec | None = None, **fields: Any
    ) -> answers.jobs.Plan:
        """What a specification would run, and how long it would take; nothing is stored.

        Raises:
            BadInput: a field has no form in JSON, such as a number that is not finite.
            Problem: it is refused; `errors` names the fields.
        """
        sent = _as_json(spec) | fields
        return self._connection.read(answers.jobs.Plan, "POST", "/jobs/validate", json=sent)

    def job(self, job_id: str) -> Job:
        """The job of this id.

        Raises:
            Problem: there is none.
        """
        path = path_of("jobs", job_id)
        found = self._connection.read(answers.jobs.Job, "GET", path)
        return Job(self._connection, found)

    def jobs(self, limit: int | None = None, **filters: Any) -> Iterator[Job]:
        """Jobs that match every filter, newest first: `status`, `label`; None is all of them.

        Raises:
            Problem: a filter is refused.
        """
        for answer in self._connection.each(answers.jobs.Job, "/jobs", limit, **filters):
            yield Job(self._connection, answer)

    def summaries(
        self, limit: int | None = None, **filters: Any
    ) -> Iterator[answers.jobs.JobSummary]:
        """Jobs as lists show them, without their specifications: `status`, `label`, `dataset`,
        `text`."""
        kind = answers.jobs.JobSummary
        for answer in self._connection.each(kind, "/jobs/summaries", limit, **filters):
            yield answer

    def workers(self, limit: int | None = None) -> Iterator[answers.workers.Worker]:
        """Workers with the jobs that they train, in the order of their starts."""
        kind = answers.workers.Worker
        for worker in self._connection.each(kind, "/workers", limit):
            yield worker

    def worker(self, ref: str) -> answers.workers.Worker:
        """The worker that an id or a name names.

        Raises:
            Problem: there is none.
        """
        path = path_of("workers", ref)
        return self._connection.read(answers.workers.Worker, "GET", path)

    def drain_worker(
        self, ref: str, reason: str = "", *, requeue: bool = False
    ) -> answers.workers.Worker:
        """Has a worker take no more jobs; `requeue` has it give back those that it has.

        Raises:
            Problem: there is none, or the key is not an administrator's.
        """
        path, sent = path_of("workers", ref, "/drain"), {"reason": reason, "requeue": requeue}
        return self._connection.read(answers.workers.Worker, "POST", path, json=sent)

    def resume_worker(self, ref: str) -> answers.workers.Worker:
        """Has a drained worker take jobs again.

        Raises:
            Problem: there is none, or the key is not an administrator's.
        """
        path = path_of("workers", ref, "/resume")
        return self._connection.read(answers.workers.Worker, "POST", path)

    def presets(self) -> list[answers.jobs.Preset]:
        """Recipes to start a job from, each with the specification that it means."""
        pages = self._connection.each(answers.jobs.Preset, "/presets", None)
        return [preset for preset in pages]

    def model(self, ref: str | None = None) -> Model:
        """The model that an id or an alias names; without one that of production, or the latest.

        What it names is looked up now: predictions stay those of this model.

        Raises:
            Problem: there is no such model.
            NoModel: there is no model at all.
        """
        if ref is not None:
            return Model.get(self._connection, ref)
        for alias in ("production", "latest"):
            try:
                return Model.get(self._connection, alias)
            except Problem as problem:
                if problem.code != "model_not_found":
                    raise
        raise NoModel("There is no model yet: train one.")

    def models(self, limit: int | None = None, **filters: Any) -> Iterator[Model]:
        """Models that match every filter: `sort`, `dataset`, `min_accuracy`, `label`, `job`.

        Raises:
            Problem: a filter is refused.
        """
        kind = answers.models.TrainedModel
        for answer in self._connection.each(kind, "/models", limit, **filters):
            yield Model(self._connection, answer)

    def aliases(self) -> list[answers.models.Alias]:
        """Every alias, by name, with what it named before."""
        pages = self._connection.each(answers.models.Alias, "/models/aliases", None)
        return [alias for alias in pages]

    def roll_back(self, alias: str = "production") -> answers.models.Alias:
        """Makes the alias name the model that it named before.

        Raises:
            Problem: it has named no other model that still exists.
        """
        path = path_of("models/aliases", alias, "/rollback")
        return self._connection.read(answers.models.Alias, "POST", path, makes=True)


def _as_json(spec: Mapping[str, Any] | JobSpec | None) -> dict[str, Any]:
    if spec is None or isinstance(spec, Mapping):
        return dict(spec or {})
    return spec.model_dump(mode="json", exclude_unset=True)
