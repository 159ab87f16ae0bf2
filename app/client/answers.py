"""Answers of the API: their JSON, or the problem that they tell."""

from typing import Any
from urllib.parse import quote

import httpx


class Problem(Exception):
    """What the API refused, in its own words. `code` is stable."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        self.status = status
        self.code = document.get("code", "unknown")
        self.errors = document.get("errors", [])
        super().__init__(document.get("detail") or document.get("title") or f"HTTP {status}")


def content(response: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer.

    Raises:
        Problem: it tells of one.
    """
    try:
        body: dict[str, Any] = response.json()
    except ValueError:
        body = {"detail": response.text[:200]}
    if response.is_error:
        raise Problem(response.status_code, body)
    return body


def text(response: httpx.Response) -> str:
    """The text of an answer that is a document.

    Raises:
        Problem: it tells of one.
    """
    if response.is_error:
        content(response)
    return response.text


def quoted(name: str) -> str:
    """An id or a name as one part of a path, whatever its characters."""
    return quote(name, safe="")
