"""Reads JSON bodies as the standard has them: no NaN, no duplicate keys, no other types."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from app.api.problems import InvalidBody

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route whose JSON body is read strictly; an empty body counts as no body."""

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, given a request that reads strictly."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict


class _StrictRequest(Request):
    async def body(self) -> bytes:
        body = await super().body()
        if body:
            expect_json(self)
        return body

    async def json(self) -> Any:
        try:
            return json.loads(
                str(await self.body(), "utf-8"),  # `loads` would read UTF-16 too
                parse_constant=_refuse_constant,
                object_pairs_hook=_refuse_duplicates,
            )
        except RecursionError as error:
            raise InvalidBody("The body is nested too deeply.") from error
        except ValueError as error:  # not JSON, not Unicode, or a number of thousands of digits
            raise InvalidBody(f"The body is not valid JSON: {error}.") from error


def is_json(content_type: str) -> bool:
    """Whether a Content-Type says JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def expect_json(request: Request) -> None:
    """Refuses a body of another type: browsers send those across sites without asking."""
    if not is_json(request.headers.get("content-type", "")):
        raise HTTPException(415, "Send JSON with the header Content-Type: application/json.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} appears twice in one object")
    return unique
