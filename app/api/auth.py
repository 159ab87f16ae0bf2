"""Who may do what: keys, their scopes, and how many requests a second each may send.

Until the first key is made nothing asks for one. From then on every request but those of `OPEN`
needs `Authorization: Bearer <key>` (RFC 6750).
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Scope as Request

from app.store import keys
from app.store.database import Database
from app.store.keys import Key, Scope

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How soon a new or revoked key counts in every process."""
TOUCH_SECONDS = 60
"""How exactly the time of last use is kept."""
OPEN = {"/healthz", "/readyz", "/docs", "/openapi.json"}
OPEN_FOLDERS = ("/static-offline-docs/", "/v2/health/")
"""What says nothing about jobs and models: for load balancers, and for whoever has yet no key."""
READING = {"GET", "HEAD", "OPTIONS"}


class Unauthorized(Exception):
    """No key, or none that is known."""


class Forbidden(Exception):
    """The key is good, but not for this."""


class TooManyRequests(Exception):
    """The key's rate is used up; `seconds` until it may ask again."""

    def __init__(self, rate: float, seconds: float) -> None:
        super().__init__(f"This key may send {rate:g} requests a second; wait {seconds:.2f} s.")
        self.seconds = seconds


def needed(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None if it needs no key."""
    if method in READING:
        is_open = path in OPEN or path.startswith(OPEN_FOLDERS)
        return None if is_open else Scope.READ
    if path.endswith(("/predict", "/infer")):
        return Scope.PREDICT
    if method == "POST" and path == "/jobs/validate":
        return Scope.READ
    return Scope.ADMIN if method == "DELETE" else Scope.WRITE


@dataclass
class _Bucket:
    """Tokens that fill at the key's rate, up to a second's worth."""

    rate: float
    tokens: float = field(init=False)
    at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.tokens = max(1.0, self.rate)

    def take(self) -> None:
        at = time.monotonic()
        self.tokens = min(max(1.0, self.rate), self.tokens + (at - self.at) * self.rate)
        self.at = at
        if self.tokens < 1:
            raise TooManyRequests(self.rate, (1 - self.tokens) / self.rate)
        self.tokens -= 1


class Guard:
    """Lets requests in. It belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: Mapping[str, Key] = {}
        self._is_asking = False
        self._stamp = -1
        self._next_look = 0.0
        self._buckets: dict[str, _Bucket] = {}
        self._used: dict[str, int] = {}
        self._touched = time.monotonic()

    def admit(self, request: Request) -> str | None:
        """The id of the key that an HTTP request came with, or None where none is asked for.

        Raises:
            Unauthorized: a key is asked for and this is none.
            Forbidden: the key's scopes do not suffice.
            TooManyRequests: its rate is used up.
        """
        if time.monotonic() >= self._next_look:
            self._look()
        if not self._is_asking:
            return None
        scope = needed(request["method"], request["path"])
        token = _bearer(request)
        if scope is None and not token:
            return None
        key = self._keys.get(keys.key_id(token))
        if key is None or not key.opens_with(token):
            raise Unauthorized(
                "Send a key: Authorization: Bearer traind_... (`traind keys create` makes one)."
                if not token
                else "This key is not known, or was revoked."
            )
        if scope is not None and not key.allows(scope):
            held = ", ".join(sorted(key.scopes))
            raise Forbidden(f"This needs a key with the scope {scope}; this one has {held}.")
        if key.limits.requests_per_second is not None:
            rate = key.limits.requests_per_second
            self._buckets.setdefault(key.id, _Bucket(rate)).take()
        self._used[key.id] = time.time_ns() // 1000
        return key.id

    def _look(self) -> None:
        """Reads the keys again if anything was committed, and notes which were used."""
        at = time.monotonic()
        self._next_look = at + LOOK_SECONDS
        stamp = self._database.stamp()
        if stamp != self._stamp:
            with self._database.read() as connection:
                found = keys.listed(connection)
            self._stamp = stamp
            self._is_asking = bool(found)
            self._keys = {key.id: key for key in found if key.revoked_at is None}
        if self._used and at - self._touched > TOUCH_SECONDS:
            self._touched = at
            used, self._used = self._used, {}
            threading.Thread(target=self._touch, args=(used,), daemon=True).start()

    def close(self) -> None:
        """Notes which keys were used."""
        if self._used:
            self._touch(self._used)

    def _touch(self, used: dict[str, int]) -> None:
        try:
            with self._database.write() as connection:
                keys.touch(connection, used)
        except Exception as error:
            log.warning("the last use of keys was not noted: %s", error)


def _bearer(request: Mapping[str, Any]) -> str:
    """The key of a request, or an empty text."""
    for name, value in request["headers"]:
        if name == b"authorization":
            kind, _, token = str(value, "latin-1").partition(" ")
            return token.strip() if kind.lower() == "bearer" else ""
    return ""
