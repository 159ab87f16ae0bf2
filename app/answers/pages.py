"""A list of the API, a page at a time."""

from typing import Generic, TypeVar

from pydantic import BaseModel

from app.answers.described import DOCSTRINGS

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    model_config = DOCSTRINGS

    data: list[Item]
    """The items, in order."""
    next: str | None
    """Send it as `after` to get what follows; null at the end."""
