"""Digests in headers (RFC 9530), of which SHA-256 is checked."""

import re
from base64 import b64decode

from fastapi.exceptions import RequestValidationError

DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):(;.*)?", re.IGNORECASE)
OTHER = re.compile(r"(?!sha-?256(?![a-z0-9_.*-]))[a-z*][a-z0-9_.*-]*=.+", re.IGNORECASE)
"""A digest by another algorithm. What names none, such as bare hexadecimal, is no digest."""
CONTENT_DIGEST, REPR_DIGEST = "Content-Digest", "Repr-Digest"


def wanted_digest(name: str, header: str) -> bytes | None:
    """The SHA-256 of a digest header; None where it states none, or only others.

    Raises:
        RequestValidationError: a digest does not have the form of one of SHA-256, and names no
            other algorithm.
    """
    wanted = None
    for member in filter(None, map(str.strip, header.split(","))):
        found = DIGEST.fullmatch(member)
        if found is not None:
            wanted = b64decode(found[1])
        elif OTHER.fullmatch(member) is None:
            why = "must be sha-256=:<base64 of the 32 bytes>: (RFC 9530), or left out"
            error = {"type": "wrong_digest", "loc": ("header", name), "msg": why}
            raise RequestValidationError([error])
    return wanted
