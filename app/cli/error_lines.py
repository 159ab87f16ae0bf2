"""What is said of an error: the one line that a user can act on. Imported once there is one."""

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
            f"  {place}: {each['detail']}"
            for place, each in zip(places, error.errors, strict=True)
            if place  # without one it is the body as a whole, which `detail` has said
        ]
        return reworded("\n".join([str(error), *fields]), IN_TERMINAL)
    if isinstance(error, Refused):
        return reworded(str(error), IN_TERMINAL)
    if isinstance(error, TOLD):
        return str(error)
    if isinstance(error, UNREACHED):
        url = error.request.url
        origin = f"{url.scheme}://{url.netloc.decode()}"
        return f"No traind answers at {origin}; `traind serve` starts one."
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return f"The service cannot be asked: {error}. Check TRAIND_URL and --url."
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None
