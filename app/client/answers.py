"""Answers of the API as JSON."""

from typing import Any

import httpx

from traind.errors import Problem


def content(response: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer.

    Raises:
        Problem: it has none: no traind service gave it.
    """
    try:
        body: dict[str, Any] = response.json()
    except ValueError:
        raise Problem(response.status_code, {"detail": response.text[:200]}) from None
    return body
