"""`Idempotency-Key`: what makes a POST safe to send again when its answer was lost."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from app.api.state import TheKey
from app.jobspec import Text
from app.store import idempotency
from app.store.database import Connection
from app.store.idempotency import KeyedRequest

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Send the same request again with the same key within 24 hours, and nothing is "
        "made a second time: the answer shows what the first one made.",
        min_length=1,
        max_length=255,
    ),
    Text,
]


@dataclass(frozen=True)
class Once:
    """Whether a request has come before, by its Idempotency-Key."""

    key: str | None
    key_id: str | None
    address: str
    """Method and path."""

    def make(self, connection: Connection, body: Any, make: Callable[[], str]) -> tuple[str, bool]:
        """Calls `make` unless it was called for this key; returns the id that it gave, and if now.

        `body` is what the request asks for, as JSON values.

        Raises:
            IdempotencyConflict: the key came with another request before.
        """
        if self.key is None:
            return make(), True
        meaning = json.dumps([self.address, body], sort_keys=True)
        digest = sha256(meaning.encode()).hexdigest()
        return idempotency.once(connection, KeyedRequest(self.key, self.key_id, digest), make)


async def _once(request: Request, key_id: TheKey, idempotency_key: IdempotencyKey = None) -> Once:
    return Once(idempotency_key, key_id, f"{request.method} {request.url.path}")


TheOnce = Annotated[Once, Depends(_once)]
