"""Webhooks by the Standard Webhooks rules: a small signed event, posted to a destination.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import logging
from datetime import UTC, datetime
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
from standardwebhooks import Webhook

from app import destinations
from app.destinations import BadDestinations, Destination
from app.settings import Settings
from app.store.deliveries import Delivered, Delivery, Outcome, Undelivered

log = logging.getLogger("traind.worker")

LIMIT_SECONDS = 30.0
"""How long a whole attempt may take, however slowly the other server answers."""
GONE = 410
"""The destination wants to hear no more, by the rules."""
LONGEST_WAIT_SECONDS = 3600.0
"""Most of a `Retry-After` that is obeyed."""
LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")
TIMES = ("created_at", "started_at", "ended_at")
"""Facts of a job that are microseconds since 1970."""


class Webhooks:
    """Posts events to the operator's destinations, and to nothing else."""

    at_once = 4

    def __init__(self, settings: Settings) -> None:
        self._file = settings.webhooks
        self._base = settings.public_url
        self._client = httpx.AsyncClient(
            follow_redirects=False,  # a redirect would lead where the operator has not allowed
            timeout=LIMIT_SECONDS,
            mounts=dict.fromkeys(LOOPBACK),  # no proxy of the environment leads there
            headers={"User-Agent": f"traind/{version('traind')}"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def send(self, delivery: Delivery) -> Outcome:
        """Makes one attempt to post an event. A destination that is not allowed is not called."""
        try:
            destination = destinations.read(self._file).get(delivery.destination)
        except BadDestinations as error:
            log.warning("%s", error)  # it names a path of the operator's: no matter for clients
            return Undelivered("TRAIND_WEBHOOKS cannot be used; the log of the worker says why")
        if destination is None:
            return Undelivered("TRAIND_WEBHOOKS has no such destination any more")
        body = event(delivery, self._base)
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await self._post(destination, body, headers(destination, delivery, body))
        except (TimeoutError, httpx.TimeoutException):
            return Undelivered(f"no answer within {LIMIT_SECONDS:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Undelivered(f"no answer: {type(error).__name__}: {error}"[:300])

    async def _post(
        self, destination: Destination, body: bytes, headers: dict[str, str]
    ) -> Outcome:
        """Posts it and looks at the status; the answer's body is never read."""
        async with self._client.stream(
            "POST", destination.url, content=body, headers=headers
        ) as answer:
            if answer.is_success:
                return Delivered(f"delivered, answered {answer.status_code}")
            if answer.is_redirect:
                why = f"answered {answer.status_code}, a redirect, which is not followed"
                return Undelivered(why)
            return Undelivered(
                f"answered {answer.status_code}",
                is_final=answer.status_code == GONE,
                wait_seconds=_retry_after(answer),
            )


def event(delivery: Delivery, base: str) -> bytes:
    """The body: type, time and the job's facts. Links begin with `base`, or are paths without."""
    job = dict(delivery.data["job"])
    links = {"job": f"{base}/jobs/{job['id']}", "events": f"{base}/jobs/{job['id']}/events"}
    if job["model"]:
        links["model"] = f"{base}/models/{job['model']}"
    times = {name: _rfc3339(job[name]) for name in TIMES}
    told: dict[str, Any] = {
        "type": delivery.data["type"],
        "timestamp": _rfc3339(delivery.data["at"]),
        "data": {"job": job | times, "links": links},
    }
    return msgspec.json.encode(told)


def headers(destination: Destination, delivery: Delivery, body: bytes) -> dict[str, str]:
    """The id, which each attempt has in common, the time of the attempt, and the signatures."""
    message_id, at = f"msg_{delivery.id}", datetime.now(UTC)
    signatures = [
        Webhook(secret.get_secret_value()).sign(message_id, at, body.decode())
        for secret in destination.secrets
    ]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _rfc3339(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the other server asks to wait; 0 if it asks for none, or gives a date."""
    wanted = answer.headers.get("Retry-After", "")
    return min(float(wanted), LONGEST_WAIT_SECONDS) if wanted.isdecimal() else 0.0
