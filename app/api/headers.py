"""Headers of every answer: what a browser may do with it (nothing), and the request's id."""

import base64
import re
import secrets
from hashlib import sha256

from fastapi import Request
from starlette.types import Message, Scope, Send

ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]
POLICY = b"content-security-policy"
NOTHING = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
DOCUMENTATION = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
"""/docs runs its own scripts, from here; a script in the page counts by its digest."""
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
Header = tuple[bytes, bytes]
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def header(request: Request, name: bytes) -> str:
    """A header, or an empty text; the name in lower case."""
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def media_type(request: Request) -> str:
    """The body's Content-Type in lower case, without parameters."""
    return header(request, b"content-type").partition(";")[0].strip().lower()


def request_id(scope: Scope) -> str:
    """The id that the client or a proxy has given the request, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(8)


def completed(sent: list[Header], identity: str) -> list[Header]:
    """Adds to an answer's headers those that every answer must have and this one lacks."""
    names = {name.lower() for name, _ in sent}
    lacking = [each for each in (*ALWAYS, (POLICY, NOTHING)) if each[0] not in names]
    return [*sent, *lacking, (b"x-request-id", identity.encode())]


def secured(send: Send, identity: str) -> Send:
    """Wraps `send` so that each answer gets those headers.

    The policy of an HTML page allows the scripts that stand in it. So its head is held back until
    its body is known.
    """
    held: Message | None = None

    async def with_headers(message: Message) -> None:
        nonlocal held
        if message["type"] == "http.response.start":
            sent = dict(message["headers"])
            if POLICY not in sent and sent.get(b"content-type", b"").startswith(b"text/html"):
                held = message
                return
            message = {**message, "headers": completed(list(message["headers"]), identity)}
        elif held is not None:
            policy = (POLICY, _policy(message.get("body", b"")))
            await send({**held, "headers": completed([*held["headers"], policy], identity)})
            held = None
        await send(message)

    return with_headers


def without_body(send: Send) -> Send:
    """Sends the head of an answer and no more; a stream is told that its reader has gone."""

    async def head_only(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body"})

    return head_only


def _policy(page: bytes) -> bytes:
    digests = [base64.b64encode(sha256(each).digest()).decode() for each in _INLINE.findall(page)]
    return DOCUMENTATION.format(scripts=" ".join(f"'sha256-{each}'" for each in digests)).encode()
