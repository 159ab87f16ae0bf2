"""With which key the service is asked: the process's own over stdio, the request's over HTTP.

A process that serves many users holds no key. Each call opens a client with the key that its
request brought, so that the service applies that key's scopes and rates.
"""

from contextvars import ContextVar
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_REQUEST

from app.client import BadKey, Client
from traind.connecting import certificates

ASKING = {"tools/call", "resources/read"}
"""Methods of the protocol that ask the service; the others tell what this process knows itself."""

Middleware = ServerMiddleware[Any]

_client: ContextVar[Client] = ContextVar("client")


def service() -> Client:
    """The client of the call that is being answered."""
    return _client.get()


def with_own_key(client: Client) -> Middleware:
    """Has every call use the one client."""

    async def middleware(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        return await _answered(client, ctx, call_next)

    return middleware


def with_key_of_request(url: str) -> Middleware:
    """Has every call use a client of its own, with the key in the request's Authorization."""
    trusted = certificates()

    async def middleware(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method not in ASKING:
            return await call_next(ctx)
        try:
            client = Client(url, key=_bearer(ctx), verify=trusted)
        except BadKey as error:
            message = "The key in the Authorization header has characters that no key has."
            raise MCPError(INVALID_REQUEST, message) from error
        with client:
            return await _answered(client, ctx, call_next)

    return middleware


async def _answered(
    client: Client, context: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    token = _client.set(client)
    try:
        return await call_next(context)
    finally:
        _client.reset(token)


def _bearer(context: ServerRequestContext[Any, Any]) -> str:
    """The key that a request brought, or an empty text."""
    headers = getattr(context.request, "headers", {})
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return str(key).strip() if scheme.lower() == "bearer" else ""
