"""What every route has: the scope that it needs, declared beside it, and a strict JSON body."""

from collections.abc import Callable, Coroutine, Iterable
from inspect import iscoroutinefunction
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from app.api import query_names
from app.api.strict_json import StrictRequest
from app.store.conflicts import retried
from app.store.keys import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Access(NamedTuple):
    """What a route asks of a request before it reads a body."""

    scope: Scope | None
    """What its key must allow; None asks for no key."""
    takes_any_query: bool
    """Whether parameters of the query that the route does not know are passed over."""


def needs(scope: Scope | None, *, takes_any_query: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Declares the scope that a request's key must have; None opens the route to everybody.

    With `takes_any_query` parameters that it does not know are passed over: probes and browsers
    add some of their own.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        endpoint.access = Access(scope, takes_any_query)  # type: ignore[attr-defined]
        return endpoint

    return declare


class Route(APIRoute):
    """A route that asks for its scope, and for known parameters, before a body is read.

    An endpoint that is no coroutine runs again when a database server has undone its write: it
    does nothing else that must not be done twice.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **described: Any) -> None:
        access = getattr(endpoint, "access", None)
        if not isinstance(access, Access):
            raise TypeError(f"{path} does not declare the scope that it needs: add @needs(...)")
        self.access = access
        if not iscoroutinefunction(endpoint):
            endpoint = retried(endpoint)
        super().__init__(path, endpoint, **described)
        self._parameters = query_names.declared(self.dependant, self.openapi_extra)

    async def handle(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answers a request that may be made.

        Raises:
            Unauthorized, Forbidden, ForeignHost, CrossSite, RequestValidationError: see `check`.
        """
        if scope["method"] in (self.methods or ()):  # another method is a 405 for everybody
            self.check(scope)
        await super().handle(scope, receive, send)

    def check(self, scope: Connection) -> None:
        """Checks that a request's key has the scope, and that the route knows its parameters.

        Raises:
            Unauthorized, Forbidden, ForeignHost, CrossSite: see `Guard.authorize`.
            RequestValidationError: the query has a name that is not known.
        """
        scope["state"]["guard"].authorize(scope, self.access.scope)
        if scope["query_string"] and not self.access.takes_any_query:
            query_names.check(scope["query_string"], self._parameters)

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, given a request that reads strictly."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def declared_scopes(routers: Iterable[APIRouter]) -> dict[tuple[str, str], Scope | None]:
    """The scope of every route, by method and path.

    Raises:
        TypeError: a route is no `Route`, and so would ask for nothing.
    """
    found: dict[tuple[str, str], Scope | None] = {}
    for route in [each for router in routers for each in router.routes]:
        if not isinstance(route, Route):
            raise TypeError(f"{route} declares no scope: give its router route_class=Route")
        found |= {(method, route.path): route.access.scope for method in route.methods or ()}
    return found
