"""Where webhooks may go: the operator's file of destinations, each a name, an address and a secret.

    [ci]
    url = "https://ci.example.org/traind"
    secret = "whsec_..."

Jobs and keys name a destination; no address ever comes from a client. No message shows a secret.
"""

import base64
import binascii
import re
import tomllib
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

PREFIX = "whsec_"
"""Begins a secret, by the Standard Webhooks rules."""
SECRET_BYTES = range(24, 65)
"""How long a secret may be, by the same rules."""
NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)


class BadDestinations(Exception):
    """The file of TRAIND_WEBHOOKS cannot be used; the message says why, without any secret."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"TRAIND_WEBHOOKS={file}: {reason}")


class UnknownDestination(Exception):
    """The operator allows no destination of this name. `allowed` has those that there are."""

    def __init__(self, name: str, allowed: list[str]) -> None:
        known = f"the operator allows {', '.join(allowed)}" if allowed else "none is allowed"
        advice = "name one of these" if allowed else "leave it out"
        super().__init__(f"there is no destination {name!r}: {known}; {advice}")
        self.name = name
        self.allowed = allowed


class Destination(BaseModel):
    """Where a webhook goes, and what signs it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    url: str
    secrets: Annotated[list[SecretStr], Field(alias="secret", min_length=1, max_length=4)]
    """Each signs: with the new one beside the old one, a secret is changed without a gap."""

    @field_validator("url")
    @classmethod
    def _is_of_the_web(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as https://ci.example.org/traind")
        return url

    @field_validator("secrets", mode="before")
    @classmethod
    def _one_or_several(cls, secrets: object) -> object:
        if isinstance(secrets, str):
            secrets = [secrets]
        if not isinstance(secrets, list) or not all(isinstance(each, str) for each in secrets):
            raise ValueError("must be a text, or a list of texts")
        return [SecretStr(each) for each in secrets]

    @field_validator("secrets")
    @classmethod
    def _are_well_formed(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            _check(secret.get_secret_value())
        return secrets


def _check(secret: str) -> None:
    if not secret.startswith(PREFIX):
        raise ValueError(f"must begin with {PREFIX}")
    try:
        decoded = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"must be base64 behind {PREFIX}") from None
    if len(decoded) not in SECRET_BYTES:
        raise ValueError(
            f"must be base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes, not {len(decoded)}; "
            f"`openssl rand -base64 32` makes one, to be put behind {PREFIX}"
        )


def read(file: Path | None) -> dict[str, Destination]:
    """The destinations by name; none without a file.

    It is read each time, so that a change of the file counts at once.

    Raises:
        BadDestinations: the file cannot be read, or says something wrong.
    """
    if file is None:
        return {}
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDestinations(file, error.strerror or str(error)) from error
    except UnicodeDecodeError:
        raise BadDestinations(file, "it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise BadDestinations(file, f"it is no TOML: {error}") from None
    return {name: _destination(file, name, table) for name, table in tables.items()}


def _destination(file: Path, name: str, table: object) -> Destination:
    if NAME.fullmatch(name) is None:
        reason = "a name has at most 64 letters, digits, dots, hyphens and underscores"
        raise BadDestinations(file, f"{name!r}: {reason}")
    try:
        return Destination.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, (name, *first["loc"])))
        message = first["msg"].removeprefix("Value error, ")
        raise BadDestinations(file, f"{place}: {message}") from None


def check(file: Path | None, names: list[str]) -> None:
    """Checks that the operator allows each of these destinations.

    Raises:
        UnknownDestination: one is not allowed.
        BadDestinations: the file cannot be used.
    """
    if not names:
        return
    known = read(file)
    for name in names:
        if name not in known:
            raise UnknownDestination(name, sorted(known))
