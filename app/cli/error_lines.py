"""What is said of an error: the one line that a user can act on. Imported once there is one."""

import socket
import ssl
from collections.abc import Iterator

import httpx

from app import address
from app.cli.spec_file import BadSpecFile
from app.client import BadKey, CannotPack, Problem, Refused
from app.destinations import BadDestinations, UnknownDestination
from app.local import StartError
from app.option_words import IN_TERMINAL, reworded
from app.settings import BadSettings
from app.store.errors import StoreError
from traind.connecting import UNREACHED
from traind.errors import BadInput

TOLD = (
    BadInput,
    BadSettings,
    BadSpecFile,
    address.AddressUnavailable,
    BadDestinations,
    BadKey,
    CannotPack,
    StartError,
    StoreError,
    UnknownDestination,
)
"""Errors whose message says what happened and what to do."""


def told(error: Exception) -> str | None:
    """The message for a user, a line for each field that is wrong; None for a fault of traind."""
    if isinstance(error, Problem):
        places = [
            each.get("pointer") or each.get("parameter") or each.get("header")
            for each in error.errors
        ]
        fields = [
            f"{place}: {each['detail']}"
            for place, each in zip(places, error.errors, strict=True)
            if place  # without one it is the body as a whole, which `detail` has said
        ]
        if len(fields) == 1 and fields[0] in str(error):  # `detail` has said the only one
            fields = []
        lines = [str(error), *(f"  {field}" for field in fields)]
        return reworded("\n".join(lines), IN_TERMINAL)
    if isinstance(error, Refused):
        return reworded(str(error), IN_TERMINAL)
    if isinstance(error, TOLD):
        return str(error)
    if isinstance(error, UNREACHED):
        return _unreached(error)
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return f"The service cannot be asked: {error}. Check TRAIND_URL and --url."
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None


def _unreached(error: httpx.TransportError) -> str:
    """Why nothing can be sent to the address, by the error below those of httpx, and what to do."""
    url = error.request.url
    origin = f"{url.scheme}://{url.netloc.decode()}"
    causes = list(_causes(error))
    first = causes[-1]
    reason = (isinstance(first, OSError) and first.strerror) or str(first)
    if any(isinstance(each, ssl.SSLError) for each in causes):
        advice = "whether https:// is right in TRAIND_URL or --url, and SSL_CERT_FILE"
    elif any(isinstance(each, socket.gaierror) for each in causes):
        advice = "TRAIND_URL and --url"
    else:
        cause = f" ({reason})" if reason else ""
        return f"No traind answers at {origin}{cause}; `traind serve` starts one."
    return f"{origin} cannot be reached: {reason}. Check {advice}."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, then what it was raised for, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
