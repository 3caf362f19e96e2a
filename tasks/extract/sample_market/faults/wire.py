"""Answers that go wrong on the way: reset, cut off, late, or never coming."""

import asyncio
import contextlib
import socket
import struct

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Reset(Response):
    """The connection ends with a TCP reset, and no byte of an answer."""

    def __init__(self, connection: asyncio.Transport) -> None:
        super().__init__()
        self._connection = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        # Closing a socket whose linger time is zero sends RST in place of FIN.
        linger = struct.pack("ii", 1, 0)
        self._connection.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.abort()
        await _gone(receive)


class CutOff(Response):
    """The headers promise the whole body, and the connection is closed after half of it."""

    def __init__(self, answer: Response, connection: asyncio.Transport) -> None:
        super().__init__()
        self._answer = answer
        self.raw_headers = answer.raw_headers  # what is added to these is added to those
        self._connection = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        body = bytes(self._answer.body)
        start = {"type": "http.response.start", "status": self._answer.status_code, "headers": self.raw_headers}
        await send(start)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        self._connection.close()
        await _gone(receive)


class Late(Response):
    """An answer after so many seconds; with None it never comes, and ends when the client gives up."""

    def __init__(self, answer: Response, seconds: float | None) -> None:
        super().__init__()
        self._answer = answer
        self.raw_headers = answer.raw_headers  # what is added to these is added to those
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_gone(receive), self._seconds)
            return
        await self._answer(scope, receive, send)


async def _gone(receive: Receive) -> None:
    """Wait until the connection has ended."""
    while (await receive())["type"] != "http.disconnect":
        pass
