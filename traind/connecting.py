"""How a client reaches a service, and how long it tries where a connection breaks."""

import json
import os
import random
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import quote

import httpx

from app import address
from traind.errors import BadKey, Problem

if TYPE_CHECKING:
    from pydantic import BaseModel

Answer = TypeVar("Answer", bound="BaseModel")
Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)
Kind = Literal["datasets", "jobs", "models", "models/aliases", "workers"]
"""Kinds of things that have paths of their own."""

URL = "http://127.0.0.1:8000"
"""Where `traind serve` answers, unless it is told otherwise."""
KEY = re.compile(r"[!-~]+")
"""What a header can carry of a key: visible ASCII characters."""
UNAVAILABLE = {502, 503, 504}
"""Answers of a service, or of a proxy before it, that cannot answer for the moment."""
UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout)
"""Errors where nothing answers at the address."""
NOT_SENT = (*UNREACHED, httpx.PoolTimeout)
"""Errors before anything of a request was sent."""
OTHER_PATHS = {"jobs": {"changes", "summaries", "validate"}, "models": {"aliases", "compare"}}
"""Words that stand in paths of the API where an id or a name of this kind of thing may stand."""
LONGEST_PAUSE = 5.0
"""Seconds between two tries, at most, unless the service asks for more."""


def opened(
    kind: type[Http],
    url: str | None,
    key: str | None,
    *,
    timeout: float,
    direct: bool | None,
    verify: ssl.SSLContext | None,
) -> Http:
    """A client of httpx, of this kind, for one service.

    The URL is by default that of TRAIND_URL, and the key that of TRAIND_KEY; a key "" is none. A
    `direct` client uses no proxy of the environment; by default only one whose URL is on the
    loopback is direct. `verify` checks certificates: several clients may share one, which takes
    20 ms to make.

    Raises:
        BadKey: the key has characters that no key has.
        httpx.InvalidURL: the URL is none, or that of the environment's proxy cannot be used.
        OSError: the certificates of SSL_CERT_FILE cannot be read.
    """
    url = url or os.environ.get("TRAIND_URL") or URL
    key = (os.environ.get("TRAIND_KEY", "") if key is None else key).strip()
    if key and not KEY.fullmatch(key):
        raise BadKey
    if direct is None:
        direct = address.is_loopback(httpx.URL(url).host)
    try:
        return kind(
            base_url=url,
            timeout=timeout,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            trust_env=not direct,
            verify=verify or certificates(),
        )
    except (ValueError, ImportError) as error:
        reason = f"the proxy that the environment names cannot be used: {error}"
        raise httpx.InvalidURL(reason) from error


def certificates() -> ssl.SSLContext:
    """Those of certifi, or of SSL_CERT_FILE, which counts without a proxy, too.

    Raises:
        OSError: that file cannot be read, or holds none; the message names it and the variable.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # Python's names no file
        file = os.environ.get("SSL_CERT_FILE")
        if not file:
            raise
        why = f"{error.strerror}; SSL_CERT_FILE must name a file of certificates"
        raise OSError(error.errno, why, file) from error


@contextmanager
def reaching() -> Iterator[None]:
    """Names the address where a request of the block reaches nobody, and what helps.

    Raises:
        httpx.ConnectError, httpx.ConnectTimeout: it does; the error's cause is that of httpx.
    """
    try:
        yield
    except UNREACHED as error:
        url = error.request.url
        reason = f" ({error})" if str(error) else ""
        told = (
            f"No traind answers at {url.scheme}://{url.netloc.decode()}{reason}: `traind serve` "
            "starts one; TRAIND_URL or Client(url) names another."
        )
        raise type(error)(told, request=error.request) from error


class Patience:
    """For how long one request is sent again: `seconds` from the first break."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self._breaks = 0

    def pause(self, response: httpx.Response | None = None) -> float | None:
        """Seconds until the next try, as long as a `Retry-After` asks for; None for no more."""
        now = time.monotonic()
        self._until = self._until or now + self._seconds
        asked = response.headers.get("Retry-After", "") if response is not None else ""
        # Many clients of a service that starts again do not come at the same time.
        seconds = min(LONGEST_PAUSE, 0.05 * 2**self._breaks) * random.uniform(0.5, 1.0)
        if asked.isdigit():
            seconds = float(asked)
        self._breaks += 1
        return seconds if now + seconds <= self._until else None


def checked(response: httpx.Response) -> httpx.Response:
    """The answer itself.

    Raises:
        Problem: it tells of one.
    """
    if not response.is_error:
        return response
    try:
        document = json.loads(response.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"detail": response.text[:200]}
    raise Problem(response.status_code, document)


def read(kind: type[Answer], response: httpx.Response) -> Answer:
    """An answer of the API as its model.

    Raises:
        Problem: it is none.
    """
    try:
        return kind.model_validate_json(response.content)
    except ValueError as error:
        detail = f"What answers at {response.url} is no traind service, or of another version."
        raise Problem(response.status_code, {"detail": detail}) from error


def path_of(kind: Kind, name: str, part: str = "") -> str:
    """The path of a thing of this kind, or of a `part` of it such as `/report`.

    Its id or name becomes one part of the path, whatever its characters.

    Raises:
        Problem: it is empty, dots, or the word of another path; nothing has such a name.
    """
    if name in {"", ".", ".."} or name in OTHER_PATHS.get(kind, ()):
        raise Problem(404, {"detail": f"{name!r} is no id and no name."})
    return f"/{kind}/{quote(name, safe='')}{part}"
