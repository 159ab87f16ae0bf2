"""Who asks, and what they may do: keys, their scopes, and how many requests a second each sends.

Until the first key is made, no request needs one, and requests of foreign web pages are refused.
From then on a request needs `Authorization: Bearer <key>` (RFC 6750) with the scope that its route
declares (routes.py). The page in a browser sends the key in a cookie instead (session.py).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import cookie_parser
from starlette.types import Scope as Request

from app.api.origins import Origins
from app.api.pace import Pace
from app.api.rates import Rates
from app.store import keys
from app.store.database import Database
from app.store.errors import DatabaseBusy
from app.store.keys import Key, Scope

log = logging.getLogger(__name__)

STALE_SECONDS = 10.0
"""Keys that were read longer ago than this open nothing: one of them may have been revoked."""
COOKIE = "traind_key"
"""Name of the cookie that carries the key of a session."""
TOUCH_SECONDS = 60
"""Precision of a key's time of last use."""


class Unauthorized(Exception):
    """The request has no key, or one that is not known."""

    def __init__(self, message: str = "This key is not known, or was revoked.") -> None:
        super().__init__(message)


class Forbidden(Exception):
    """The key is good, but its scopes do not suffice."""


class Guard:
    """Knows the keys and decides what each may do. It belongs to one event loop.

    A request never waits for the database here: a thread of the guard's own reads the keys, over
    connections of its own. `dismiss` is told the ids that may go on whenever the keys have
    changed; None stands among them while requests need no key.
    """

    def __init__(
        self,
        database: Database,
        origins: Origins,
        rates: Rates,
        dismiss: Callable[[frozenset[str | None]], None],
        pace: Pace,
    ) -> None:
        self._database = database
        self._origins = origins
        self._rates = rates
        self._dismiss = dismiss
        self._pace = pace
        self._thread = ThreadPoolExecutor(1, "keys")
        self._keys: Mapping[str, Key] = {}
        self._asks_for_keys = False
        self._stamp = -1
        self._read_at = -STALE_SECONDS
        self._fault: Exception | None = None
        self._used: dict[str, int] = {}
        self._touched_at = time.monotonic()

    @property
    def asks_for_keys(self) -> bool:
        """Whether requests need a key."""
        return self._asks_for_keys

    def key_of(self, token: str) -> Key:
        """The key whose token this is.

        Raises:
            Unauthorized: there is none, or it was revoked.
        """
        key = self._keys.get(keys.key_id(token))
        if key is None or not key.opens_with(token):
            raise Unauthorized
        return key

    def identify(self, request: Request) -> Key | None:
        """The key that an HTTP request came with, or None.

        A cookie that opens nothing counts as none: the page must still load, to ask for a key.

        Raises:
            Unauthorized: the key in the header is not known, or was revoked.
            TooManyRequests: its rate is used up.
        """
        if not self._asks_for_keys:
            return None
        token = _bearer(request)
        if token:
            key = self.key_of(token)
        else:
            try:
                key = self.key_of(_cookie(request))
            except Unauthorized:
                return None
        if key.limits.requests_per_second is not None:
            self._rates.take(key.id, key.limits.requests_per_second)
        self._used[key.id] = time.time_ns() // 1000
        return key

    def authorize(self, request: Request, needed: Scope | None) -> None:
        """Lets an identified request through to a route that needs this scope; None opens to all.

        Raises:
            Unauthorized: a key is needed and there is none.
            Forbidden: the key's scopes do not suffice.
            ForeignHost, CrossSite: a foreign web page asks, while no key is needed yet or with the
                cookie of a session.
            DatabaseBusy: the keys could not be read for `STALE_SECONDS`; or what kept them.
        """
        if needed is None:
            return
        if time.monotonic() - self._read_at > STALE_SECONDS:
            raise self._fault.with_traceback(None) if self._fault else DatabaseBusy
        if not self._asks_for_keys:
            self._origins.check(request)
            return
        key: Key | None = request["state"]["key"]
        if key is None:
            raise Unauthorized(
                "Send a key: Authorization: Bearer traind_... (`traind keys create` makes one)."
            )
        if not _bearer(request):
            self.check_page(request)
        if not key.allows(needed):
            held = ", ".join(sorted(key.scopes))
            raise Forbidden(f"This needs a key with the scope {needed}; this one has {held}.")

    def check_page(self, request: Request) -> None:
        """Lets a request of a program or of the service's own page through.

        Raises:
            CrossSite: a page of another origin sent it.
        """
        self._origins.check(request, has_keys=True)

    async def run(self) -> None:
        """Looks for new and revoked keys until cancelled."""
        while True:
            await self._pace.next_look()
            try:
                await self.look()
            except Exception as fault:
                if self._fault is None:
                    log.warning("the keys could not be read: %s", fault)
                self._fault = fault
            else:
                self._fault = None

    async def look(self) -> None:
        """Reads the keys, if anything was committed since the last look."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._read)
        self._read_at = time.monotonic()
        if found is not None:
            self._asks_for_keys = bool(found)
            self._keys = {key.id: key for key in found if key.revoked_at is None}
            self._dismiss(frozenset(self._keys) if found else frozenset([None]))
        if self._used and self._read_at - self._touched_at > TOUCH_SECONDS:
            self._touched_at = self._read_at
            used, self._used = self._used, {}
            loop.run_in_executor(None, self._touch, used)

    def close(self) -> None:
        """Notes which keys were used, and ends the thread."""
        if self._used:
            self._touch(self._used)
        self._thread.submit(self._database.close)  # where its connections were opened
        self._thread.shutdown()
        self._rates.close()

    def _read(self) -> list[Key] | None:
        stamp = self._database.stamp()
        if stamp == self._stamp:
            return None
        with self._database.read() as connection:
            found = keys.listed(connection)
        self._stamp = stamp
        return found

    def _touch(self, used: dict[str, int]) -> None:
        try:
            with self._database.write() as connection:
                keys.touch(connection, used)
        except Exception as error:
            log.warning("the last use of keys was not noted: %s", error)


def _bearer(request: Request) -> str:
    """The token of a request, or an empty text."""
    for name, value in request["headers"]:
        if name == b"authorization":
            kind, _, token = str(value, "latin-1").partition(" ")
            return token.strip() if kind.lower() == "bearer" else ""
    return ""


def _cookie(request: Request) -> str:
    """The token in a request's cookie, or an empty text."""
    for name, value in request["headers"]:
        if name == b"cookie":
            found = cookie_parser(str(value, "latin-1")).get(COOKIE)
            if found:
                return found
    return ""
