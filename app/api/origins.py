"""Refuses the requests of foreign web pages, where no key in a header protects the service.

Any page that a user opens may send requests to 127.0.0.1, and browsers send them. `Origin` and
`Sec-Fetch-Site` (Fetch Metadata, W3C) tell such a request. A page whose own name is made to resolve
to 127.0.0.1 (DNS rebinding) counts as the same origin for the browser; its `Host` tells it.
Programs send neither `Origin` nor `Sec-Fetch-Site`, and reach the service by an address or by a
name of this machine.
"""

import ipaddress
from collections.abc import Iterable
from typing import Self

from starlette.types import Scope as Request

from app.settings import Settings

REMEMBERED = 100
"""Most values of Host that are remembered as good."""
OWN_SITE = (b"", b"same-origin", b"none")
"""Sec-Fetch-Site of a program, of the service's own page, and of an address that a user typed."""


class ForeignHost(Exception):
    """The request names a host that is not this service."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"This service does not answer as {host!r} while it has no keys: make one with `traind "
            "keys create`, or name the host in TRAIND_ALLOWED_HOSTS."
        )


class CrossSite(Exception):
    """A web page of another origin sent the request."""

    def __init__(self, origin: str, *, has_keys: bool) -> None:
        super().__init__(
            f"Pages of {origin} may not sign in here, nor send the cookie of a session: only the "
            "service's own pages may. A proxy must pass on the header Host as the browser sent it "
            "(docs/operating.md); or name the page's host in TRAIND_ALLOWED_HOSTS."
            if has_keys
            else f"Pages of {origin} may not use this service while it has no keys: make one with "
            "`traind keys create`, or name the page's host in TRAIND_ALLOWED_HOSTS."
        )


class Origins:
    """The hosts under which the service answers, and whose pages may use it.

    It answers as every IP address (no page can take another's), as localhost, `allowed` and
    `names`, and where `answers_plain_names` under those without a dot: the names of containers in
    one network. Pages of `allowed` may use it, from any port; those of other ports of its own host
    may not.
    """

    def __init__(
        self,
        allowed: Iterable[str] = (),
        answers_plain_names: bool = False,
        *,
        names: Iterable[str] = (),
    ) -> None:
        self._allowed = frozenset(name.strip().lower() for name in allowed if name.strip())
        self._names = self._allowed | {name.lower() for name in names}
        self._answers_plain_names = answers_plain_names
        self._good: set[bytes] = set()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say."""
        allowed = settings.allowed_hosts.split(",")
        return cls(allowed, settings.unprotected, names=[settings.host])

    def check(self, request: Request, *, has_keys: bool = False) -> None:
        """Lets programs and the service's own pages through, those of the host that is named.

        Raises:
            ForeignHost: the request names another host. A service with keys has any name.
            CrossSite: a page of another origin sent it.
        """
        host = origin = site = mode = b""
        for name, value in request["headers"]:
            if name == b"host":
                host = value
                if not has_keys and host not in self._good:
                    self._check_host(host, request)
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"sec-fetch-mode":
                mode = value
        if origin:
            page, own = str(origin, "latin-1").lower(), str(host, "latin-1").lower()
            if not self._is_own_page(page, own):
                raise CrossSite(page, has_keys=has_keys)
        elif site not in OWN_SITE and not (mode == b"navigate" and request["method"] == "GET"):
            raise CrossSite("another site", has_keys=has_keys)

    def _check_host(self, value: bytes, request: Request) -> None:
        host = str(value, "latin-1").lower()
        name = _without_port(host)
        # A test client names the application as it likes, and says so in `server`.
        itself = request.get("server") or ("",)
        if not (self._is_own(name) or name == itself[0].lower()):
            raise ForeignHost(host)
        if len(self._good) < REMEMBERED:
            self._good.add(value)

    def _is_own_page(self, origin: str, host: str) -> bool:
        _, separator, page = origin.partition("://")
        is_allowed = page == host or bool({page, _without_port(page)} & self._allowed)
        return bool(separator) and is_allowed

    def _is_own(self, name: str) -> bool:
        if name == "localhost" or name.endswith(".localhost") or name in self._names:
            return True
        if self._answers_plain_names and "." not in name and ":" not in name:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _without_port(host: str) -> str:
    """The name or address of a host, without brackets and the dot at its end."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")
