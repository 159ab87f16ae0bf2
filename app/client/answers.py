"""Answers of the API: their JSON, or the problem that they tell."""

from typing import Any

import httpx

from traind.connecting import checked
from traind.errors import Problem


def content(response: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer.

    Raises:
        Problem: it tells of one.
    """
    try:
        body: dict[str, Any] = checked(response).json()
    except ValueError:
        raise Problem(response.status_code, {"detail": response.text[:200]}) from None
    return body


def text(response: httpx.Response) -> str:
    """The text of an answer that is a document.

    Raises:
        Problem: it tells of one.
    """
    return checked(response).text
