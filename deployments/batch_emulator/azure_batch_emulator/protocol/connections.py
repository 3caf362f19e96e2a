"""What ASGI has no word for: resetting a connection, and the service's own words in the status line."""

import asyncio
from typing import Any

import h11
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

REASON_HEADER = "emulator-reason-phrase"
"""Taken out of the answer and put into its status line, where the service tells what was wrong."""

_LARGEST_HEAD = 64 * 1024
_OPEN: dict[tuple[str, int], asyncio.Transport] = {}


class _Connection(h11.Connection):
    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override] # one signature for its overloads
        if isinstance(event, h11.Response):
            reasons = [value for name, value in event.headers if name == REASON_HEADER.encode()]
            if reasons:
                kept = [(name, value) for name, value in event.headers if name != REASON_HEADER.encode()]
                event = h11.Response(status_code=event.status_code, headers=kept, reason=reasons[0])
        return super().send(event)


class ServiceProtocol(H11Protocol):
    """uvicorn's own protocol, whose transports are remembered while they are open."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as uvicorn's
        super().__init__(*arguments, **options)
        self.conn = _Connection(h11.SERVER, _LARGEST_HEAD)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        super().connection_made(transport)
        _OPEN[_peer(transport)] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _OPEN.pop(_peer(self.transport), None)
        super().connection_lost(exc)


def reset(scope: Scope) -> None:
    """Resets the connection of a request, without an answer."""
    client: Any = scope.get("client")
    transport = _OPEN.get(tuple(client)) if client else None
    if transport is not None:
        transport.abort()


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    name = transport.get_extra_info("peername") or ("", 0)
    return str(name[0]), int(name[1])
