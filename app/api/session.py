"""Sessions of browsers: a cookie that carries the key, because event streams carry no header.

The cookie is the key itself, which no script can read (HttpOnly). It opens what the key opens and
is worth nothing from the moment in which the key is revoked. Pages of other sites do not send it
(SameSite=Strict), and a page of this machine's other ports is refused by its origin (auth.py).
"""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.answers.described import described
from app.api.auth import COOKIE, Guard
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.docstrings import describe
from app.store.keys import Key, Scope

router = APIRouter(prefix="/session", tags=["service"], route_class=Route)

SIGNED_IN = {
    "asks_for_keys": True,
    "key": {"id": "key_01KB0F5T3Y7Q1W8ZC2N4R6M9XD", "name": "anna", "scopes": ["read", "write"]},
}


class SignedInKey(BaseModel):
    """The key that a request came with."""

    model_config = ConfigDict(json_schema_extra=describe)

    id: str
    """Its id."""
    name: str
    """The name that its maker has given it."""
    scopes: list[Scope]
    """What it may do; `admin` is everything."""

    @classmethod
    def of(cls, key: Key) -> "SignedInKey":
        """What may be shown of a key."""
        return cls(id=key.id, name=key.name, scopes=sorted(key.scopes))


class Session(BaseModel):
    """Who asks."""

    model_config = described(SIGNED_IN)

    asks_for_keys: bool
    """Whether requests need a key; not until the first one is made."""
    key: SignedInKey | None
    """The key of this request, from its header or its cookie; null where it has none that opens."""


class SignIn(BaseModel):
    """A key that becomes a session."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=describe)

    key: str = Field(max_length=200)
    """The key, as `traind keys create` has shown it."""


@router.get("", summary="Who asks?")
@needs(None)
async def get_session(request: Request) -> Session:
    """Whether keys are asked for, and the key of this request. Answers without a key, too."""
    guard: Guard = request.state.guard
    key: Key | None = request.state.key
    return Session(asks_for_keys=guard.asks_for_keys, key=SignedInKey.of(key) if key else None)


@router.post("", summary="Sign in", responses=documented(413, 415))
@needs(None)
async def sign_in(request: Request, response: Response, wanted: SignIn) -> Session:
    """Sets a cookie that opens what the key opens, until the browser is closed or the key revoked.

    A key that is not known, or was revoked, is refused, and so is a page of another origin.
    """
    guard: Guard = request.state.guard
    guard.check_page(request.scope)
    token = wanted.key.strip()
    key = guard.key_of(token)
    response.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return Session(asks_for_keys=guard.asks_for_keys, key=SignedInKey.of(key))


@router.delete("", status_code=204, summary="Sign out")
@needs(None)
async def sign_out(response: Response) -> None:
    """Removes the cookie. The key stays as it is."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
