"""A Python client of the HTTP API, as the `traind` command uses it."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import httpx

from app.client.answers import content
from app.client.datasets import Datasets, Refused
from app.client.pages import each_item
from app.codes import ENDED
from traind._sync.connection import Connection
from traind.connecting import opened, path_of
from traind.errors import BadKey, Problem
from traind.packing import CannotPack

__all__ = ["BadKey", "CannotPack", "Client", "Message", "Problem", "Refused"]

PATIENCE_SECONDS = 15.0
"""For how long a request is sent again where its connection breaks."""


@dataclass(frozen=True)
class Message:
    """A message of an event stream: `kind` is the event's, or `progress`."""

    kind: str
    data: dict[str, Any]


class Client:
    """Speaks to one traind service."""

    def __init__(
        self,
        url: str,
        timeout: float = 60.0,
        key: str | None = None,
        *,
        direct: bool | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        """`key`, `direct` and `verify` are as `traind.connecting.opened` has them.

        Raises:
            BadKey: the key has characters that no key has.
            httpx.InvalidURL: the URL is none, or that of the environment's proxy cannot be used.
        """
        kind = httpx.Client
        self._http = opened(kind, url, key, timeout=timeout, direct=direct, verify=verify)
        self._connection = Connection(self._http, PATIENCE_SECONDS)

    @property
    def datasets(self) -> Datasets:
        """Datasets of one's own."""
        return Datasets(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ready(self) -> dict[str, Any]:
        """Whether the service can work, and whether a worker is alive.

        Raises:
            Problem: it cannot.
        """
        return content(self._connection.send_once("GET", "/readyz"))

    def submit(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Stores a job and returns it.

        Raises:
            Problem: the spec is refused; `errors` names the fields.
        """
        return self._asked("POST", "/jobs", makes=True, json=spec)

    def validate(self, spec: dict[str, Any]) -> dict[str, Any]:
        """What the spec would run and what it would cost; nothing is stored."""
        return self._asked("POST", "/jobs/validate", json=spec)

    def job(self, job_id: str, wait: float = 0) -> dict[str, Any]:
        """The job, at once or at its next change of state within `wait` seconds."""
        return self._asked("GET", path_of("jobs", job_id), query={"wait": wait or None})

    def jobs(self, **filters: Any) -> list[dict[str, Any]]:
        """The newest jobs."""
        found: list[dict[str, Any]] = self._asked("GET", "/jobs", query=filters)["data"]
        return found

    def each_job(self, limit: int | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Jobs that match every filter, newest first: `status`, `label`, `dataset`; None is all
        of them.

        Raises:
            Problem: a filter is refused.
        """
        return each_item(self._connection, "/jobs", limit, **filters)

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Asks a job to stop."""
        return self._asked("POST", path_of("jobs", job_id, "/cancel"))

    def pause(self, job_id: str) -> dict[str, Any]:
        """Asks a job to stop for a while; it keeps a checkpoint."""
        return self._asked("POST", path_of("jobs", job_id, "/pause"))

    def resume(self, job_id: str) -> dict[str, Any]:
        """Queues a paused job again."""
        return self._asked("POST", path_of("jobs", job_id, "/resume"), repeatable=False)

    def retry(
        self,
        job_id: str,
        begin: str = "start",
        *,
        apply: str | None = None,
        patch: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Submits an ended job again, from its `start` or its newest `checkpoint`.

        `apply="suggestion"` corrects its spec as the diagnosis has it; `patch` is a JSON merge
        patch of your own.
        """
        sent = {"begin": begin, "apply": apply, "patch": patch}
        return self._asked("POST", path_of("jobs", job_id, "/retry"), makes=True, json=sent)

    def diagnosis(self, job_id: str) -> dict[str, Any]:
        """What is wrong with a run, and the spec to try instead."""
        return self._asked("GET", path_of("jobs", job_id, "/diagnosis"))

    def test_rates(self, job_id: str, **rates: float) -> dict[str, Any]:
        """Submits a learning-rate range test of a job; `lowest`, `highest`, `batches`."""
        return self._asked("POST", path_of("jobs", job_id, "/lr-range"), makes=True, json=rates)

    def rates(self, job_id: str) -> dict[str, Any]:
        """What the newest range test of a job recommends."""
        return self._asked("GET", path_of("jobs", job_id, "/lr-range"))

    def explain(self, job_id: str, form: str = "markdown") -> str:
        """Why a run did as it did: a report in `markdown` or `html`."""
        return self._connection.send(
            "GET", path_of("jobs", job_id, "/explain"), query={"format": form}
        ).text

    def points(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Every point of a job's curves, by name and step."""
        return each_item(self._connection, path_of("jobs", job_id, "/metrics"), None, page=10_000)

    def workers(self) -> list[dict[str, Any]]:
        """Every worker, in the order of their starts; those that fell silent, too."""
        return list(each_item(self._connection, "/workers", None))

    def worker(self, ref: str) -> dict[str, Any]:
        """The worker that an id or a name names."""
        return self._asked("GET", path_of("workers", ref))

    def drain_worker(
        self, ref: str, reason: str | None = None, *, requeue: bool | None = None
    ) -> dict[str, Any]:
        """Has a worker take no more jobs; `requeue` has it give back those that it has.

        None keeps what an earlier call said.
        """
        given = {"reason": reason, "requeue": requeue}
        sent = {name: value for name, value in given.items() if value is not None}
        return self._asked("POST", path_of("workers", ref, "/drain"), json=sent)

    def resume_worker(self, ref: str) -> dict[str, Any]:
        """Has a drained worker take jobs again."""
        return self._asked("POST", path_of("workers", ref, "/resume"))

    def presets(self) -> list[dict[str, Any]]:
        """Recipes to start a job from, each with the specification that it means."""
        return list(each_item(self._connection, "/presets", None))

    def model(self, ref: str) -> dict[str, Any]:
        """The model that an id or an alias names."""
        return self._asked("GET", path_of("models", ref))

    def card(self, ref: str) -> str:
        """What a model is, how it was trained, how well it does, and how to ask it: Markdown."""
        return self._connection.send("GET", path_of("models", ref, "/card")).text

    def each_model(self, limit: int | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Models that match every filter: `sort`, `dataset`, `min_accuracy`, `label`, `job`.

        Raises:
            Problem: a filter is refused.
        """
        return each_item(self._connection, "/models", limit, **filters)

    def aliases(self) -> list[dict[str, Any]]:
        """Every alias, by name, with what it named before."""
        return list(each_item(self._connection, "/models/aliases", None))

    def promote(self, model: str, alias: str) -> dict[str, Any]:
        """Makes the alias name this model, which an id or another alias names; returns the alias.

        Raises:
            Problem: there is no such model, or the alias cannot be set.
        """
        return self._asked("PUT", path_of("models/aliases", alias), json={"model": model})

    def roll_back(self, alias: str) -> dict[str, Any]:
        """Makes the alias name the model that it named before; returns the alias.

        Raises:
            Problem: it has named no other model that still exists.
        """
        return self._asked("POST", path_of("models/aliases", alias, "/rollback"), makes=True)

    def compare(self, a: str, b: str) -> dict[str, Any]:
        """Whether model b is better than a on the test set, with the chance that they are equal.

        Raises:
            Problem: they were not measured on the same test set.
        """
        return self._asked("GET", "/models/compare", query={"a": a, "b": b})

    def predict(self, inputs: list[Any], model: str | None = None) -> list[dict[str, Any]]:
        """A prediction for each input: nested or flat pixel lists, or base64 images.

        Without a model, production answers, or latest where none has been promoted.
        """
        found: list[dict[str, Any]] = self.predictions(inputs, model)["predictions"]
        return found

    def predictions(
        self, inputs: list[Any], model: str | None = None, top_k: int | None = None
    ) -> dict[str, Any]:
        """As `predict`, with the id of the model that has answered; rows of a table, too.

        Raises:
            Problem: there is no such model, or an input is none of its.
        """
        sent = {"inputs": inputs, "model": model or None, "top_k": top_k}
        asked = {name: value for name, value in sent.items() if value is not None}
        return self._asked("POST", "/predict", json=asked)

    def predict_file(
        self, picture: bytes, media_type: str, model: str | None = None, top_k: int | None = None
    ) -> dict[str, Any]:
        """The prediction for an image file, and the id of the model that has answered.

        `top_k` is how many of the most probable classes are in `top`.

        Raises:
            Problem: there is no such model, or the file is no picture of this media type.
        """
        asked = {"model": model, "top_k": top_k}
        params = {name: value for name, value in asked.items() if value is not None}
        headers = {"Content-Type": media_type}
        return self._asked("POST", "/predict", content=picture, query=params, headers=headers)

    def watch(self, job_id: str) -> Iterator[Message]:
        """The job's events from the first to the last, taken up again where a stream breaks."""
        for sent in self._connection.messages(path_of("jobs", job_id, "/events")):
            message = Message(sent.event, json.loads(sent.data))
            yield message
            if message.data.get("data", {}).get("status") in ENDED:
                return

    def _asked(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        return content(self._connection.send(method, path, **sent))
