"""Requests to one service, sent again where a connection breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse

from app import answers
from traind._async.waiting import sleep
from traind.as_json import encoded
from traind.connecting import NOT_SENT, UNAVAILABLE, Patience, checked, reaching, read

if TYPE_CHECKING:
    from pydantic import BaseModel

    Answer = TypeVar("Answer", bound=BaseModel)

PAGE = 100
"""Most items that most lists of the API give at once."""


class AsyncConnection:
    """One service, over however many connections."""

    def __init__(self, http: httpx.AsyncClient, patience: float) -> None:
        """`patience` is for how many seconds a request is sent again."""
        self._http = http
        self._patience = patience
        self._is_known = False

    async def close(self) -> None:
        """Ends its connections."""
        await self._http.aclose()

    def patience(self) -> Patience:
        """For something that is tried again, from now on."""
        return Patience(self._patience)

    async def send(
        self,
        method: str,
        path: str,
        *,
        makes: bool = False,
        repeatable: bool = True,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """The answer to a request. Where the connection breaks it is sent again.

        What `makes` something carries an Idempotency-Key, so that it is made once. What is not
        `repeatable` is sent again only if nothing has been sent.

        Raises:
            BadInput: something in `json` has no form in JSON.
            Problem: the service refuses it.
            httpx.TransportError: the service cannot be reached any more.
        """
        patience = self.patience()
        sent = dict(headers or {})
        if json is not None:
            sent["Content-Type"], content = "application/json", encoded(json)
        if makes:
            sent["Idempotency-Key"] = uuid4().hex
        params = {name: value for name, value in (query or {}).items() if value is not None}
        while True:
            try:
                with reaching():
                    answer = await self._http.request(
                        method, path, params=params, headers=sent, content=content
                    )
            except httpx.UnsupportedProtocol:
                raise
            except httpx.TransportError as error:
                pause = patience.pause()
                # Where nobody has ever answered, the address is wrong, or nothing runs there.
                may_repeat = self._is_known if isinstance(error, NOT_SENT) else repeatable
                if pause is None or not may_repeat:
                    raise
            else:
                self._is_known = True
                if answer.status_code not in UNAVAILABLE or not repeatable:
                    return checked(answer)
                pause = patience.pause(answer)
                if pause is None:
                    return checked(answer)
            await sleep(pause)

    async def read(self, kind: type[Answer], method: str, path: str, **sent: Any) -> Answer:
        """The answer to a request, as `send` sends it.

        Raises:
            BadInput: something in `json` has no form in JSON.
            Problem: the service refuses it, or is no traind.
            httpx.TransportError: the service cannot be reached any more.
        """
        answer = await self.send(method, path, **sent)
        return read(kind, answer)

    async def send_once(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """The answer to a request that cannot be sent again as it is.

        Raises:
            Problem: the service refuses it.
            httpx.TransportError: the connection broke.
        """
        with reaching():
            return checked(await self._http.request(method, path, **sent))

    async def get(self, path: str, **query: Any) -> bytes:
        """The content of an answer.

        Raises:
            Problem: the service refuses the request.
        """
        return (await self.send("GET", path, query=query)).content

    async def each(
        self, kind: type[Answer], path: str, limit: int | None, **query: Any
    ) -> AsyncIterator[Answer]:
        """The items of a list in its order, at most `limit` of them; None is all.

        Raises:
            Problem: the service refuses a parameter.
        """
        left, after, most = limit, None, query.pop("most", PAGE)
        while left is None or left > 0:
            size = most if left is None else min(left, most)
            asked = {"limit": size, "after": after, **query}
            page_of = answers.pages.Page[kind]  # type: ignore[valid-type]
            page = read(page_of, await self.send("GET", path, query=asked))
            for item in page.data:
                yield item
            after = page.next
            if after is None:
                return
            left = None if left is None else left - len(page.data)

    async def messages(self, path: str) -> AsyncIterator[ServerSentEvent]:
        """The messages of an event stream, taken up again where it breaks, until its end.

        Raises:
            Problem: the service refuses the request.
            httpx.TransportError: the service cannot be reached any more.
        """
        patience, last = self.patience(), "0"
        while True:
            headers = {"Last-Event-ID": last}
            try:
                async with aconnect_sse(self._http, "GET", path, headers=headers) as stream:
                    if stream.response.is_error:
                        await stream.response.aread()
                        pause = patience.pause(stream.response)
                        if stream.response.status_code not in UNAVAILABLE or pause is None:
                            checked(stream.response)
                    elif stream.response.status_code == 204:  # it has been read to its end
                        return
                    else:
                        async for message in stream.aiter_sse():
                            last, patience = message.id or last, self.patience()
                            if message.data:  # a sign of life has none
                                yield message
                        # The service ended the stream; it tells the rest, or that there is none.
                        pause = patience.pause()
            except httpx.UnsupportedProtocol:
                raise
            except httpx.TransportError:
                pause = patience.pause()
                if pause is None:
                    with reaching():
                        raise
            if pause is None:  # a stream that ends again and again has nothing to tell
                return
            await sleep(pause)
