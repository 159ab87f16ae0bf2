"""A body that comes in many pieces is put together once, in linear time."""

import asyncio
from collections.abc import Iterator
from typing import Any, NoReturn

from fastapi import Request

from app.api.body import read_body


class Piece(bytes):
    """Bytes that may be joined, and not added to what came before: that copies it each time."""

    def __radd__(self, before: object) -> NoReturn:
        raise AssertionError("pieces are added one by one")


def test_pieces_are_joined_once() -> None:
    count = 1000
    messages: Iterator[dict[str, Any]] = iter(
        {"type": "http.request", "body": Piece(b"ab"), "more_body": number < count - 1}
        for number in range(count)
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    scope = {"type": "http", "headers": [], "state": {"body_limit": 10_000}}
    assert asyncio.run(read_body(Request(scope, receive))) == b"ab" * count
