"""An HTTP proxy in front of a real server that breaks what passes: by rate and seed, or by a rule of the test.

What a client does about a lost answer or a torn body shows only where one is really lost or torn.
"""

import asyncio
import enum
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_HEAD = b"\r\n\r\n"
_LARGEST_HEAD = 1 << 16
_MOMENT = 0.2  # seconds


class Fault(enum.Enum):
    BUSY = "answered 503 at once"
    RESET = "reset before the server saw it"
    LOST = "served, and the answer thrown away"
    CUT = "served, and the connection reset in the middle of the answer's body"
    SILENT = "never answered"
    SLOW = "served, and the answer kept back for a moment"


@dataclass(frozen=True)
class Request:
    method: str
    target: str  # path and query, percent-encoding undone
    body: bytes = field(repr=False)


Rule = Callable[[Request], Fault | bytes | None]  # bytes: the whole answer, instead of the server's


@dataclass
class FaultProxy:
    """`url` stands for the upstream's. `rule` decides about each request; `seen` and `broken` keep what passed.

    `slow_at_once`: the most answers that were kept back at the same time."""

    url: str
    rule: Rule
    slow: int = 0  # answers that are being kept back
    slow_at_once: int = 0
    seen: list[Request] = field(default_factory=list)
    broken: list[tuple[Request, Fault | bytes]] = field(default_factory=list)

    def count(self, fault: Fault) -> int:
        return sum(1 for _, what in self.broken if what is fault)


def at_rate(rate: float, seed: int, faults: Sequence[Fault]) -> Rule:
    """Breaks this share of all requests, with one of these faults each."""
    dice = random.Random(seed)
    return lambda _: dice.choice(faults) if dice.random() < rate else None


def once(fault: Fault | bytes, matches: Callable[[Request], bool]) -> Rule:
    """Breaks the first request that matches, and no other."""
    left = [fault]
    return lambda request: left.pop() if left and matches(request) else None


def refusal(status: int, code: str, message: str, date: str | None = None, **more: str) -> bytes:
    """An answer of Blob Storage that refuses: its XML, and a date of its clock."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in {"Code": code, "Message": message, **more}.items())
    body = f'<?xml version="1.0" encoding="utf-8"?><Error>{inner}</Error>'.encode()
    dated = f"date: {date}\r\n" if date else ""
    head = f"HTTP/1.1 {status} {code}\r\nx-ms-error-code: {code}\r\ncontent-type: application/xml\r\n{dated}"
    return f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


@contextmanager
def fault_proxy(upstream: str, rule: Rule) -> Iterator[FaultProxy]:
    """Runs on a free port of the loopback, in a thread."""
    parts = urlsplit(upstream)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-proxy")
    thread.start()
    proxy = FaultProxy("", rule)

    async def start() -> asyncio.Server:
        serve = _Connection(proxy, parts.hostname or "", parts.port or 80).serve
        return await asyncio.start_server(serve, "127.0.0.1", 0, limit=_LARGEST_HEAD)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{parts.path}"
        yield proxy
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


_BUSY = refusal(503, "ServerBusy", "The server is busy.")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s; a close then resets the connection


@dataclass(frozen=True)
class _Connection:
    proxy: FaultProxy
    host: str
    port: int

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if await self._exchange(reader, writer):
                writer.close()
                return
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. False: the connection is to be reset."""
        head = await reader.readuntil(_HEAD)
        body = await reader.readexactly(_length(head))
        method, target, _ = head.split(b" ", 2)
        request = Request(method.decode(), unquote(target.decode()), body)
        self.proxy.seen.append(request)
        fault = self.proxy.rule(request)
        if fault is not None:
            self.proxy.broken.append((request, fault))
        if fault is Fault.RESET:
            return False
        if fault is Fault.SILENT:
            await reader.read()
            return False
        if fault is Fault.BUSY or isinstance(fault, bytes):
            writer.write(fault if isinstance(fault, bytes) else _BUSY)
            await writer.drain()
            return True
        answer = await self._forward(head, body)
        if fault is Fault.LOST:
            return False
        if fault is Fault.SLOW:
            await self._keep_back()
        if fault is Fault.CUT:
            start = answer.index(_HEAD) + len(_HEAD)
            writer.write(answer[: start + (len(answer) - start) // 2])
            await writer.drain()
            return False
        writer.write(answer)
        await writer.drain()
        return True

    async def _keep_back(self) -> None:
        self.proxy.slow += 1
        self.proxy.slow_at_once = max(self.proxy.slow_at_once, self.proxy.slow)
        await asyncio.sleep(_MOMENT)
        self.proxy.slow -= 1

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        lines = [line for line in head[: -len(_HEAD)].split(b"\r\n") if not line.lower().startswith(b"connection:")]
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(b"\r\n".join([*lines, b"Connection: close"]) + _HEAD + body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.transport.abort()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
        assert name.strip().lower() != b"transfer-encoding", "the proxy knows bodies of a known length only"
    return 0
