"""Lists of the API, page by page."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from app.client.answers import content
from traind._sync.connection import Connection

PAGE = 100
"""Most items that most lists of the API give at once."""


def each_item(
    connection: Connection, path: str, limit: int | None, page: int = PAGE, **query: Any
) -> Iterator[dict[str, Any]]:
    """The items of a list in its order, at most `limit` of them, `page` at once; None is all.

    Parameters of the query that are None are left out.

    Raises:
        Problem: the service refuses a parameter.
    """
    asked = {name: value for name, value in query.items() if value is not None}
    return islice(_every_item(connection, path, asked | {"limit": min(limit or page, page)}), limit)


def _every_item(
    connection: Connection, path: str, query: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    while True:
        page = content(connection.send("GET", path, query=query))
        yield from page["data"]
        if page["next"] is None:
            return
        query["after"] = page["next"]
