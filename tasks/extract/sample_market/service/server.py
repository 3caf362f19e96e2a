"""The server in a thread of this process, on a port of this machine."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.requests import Request
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from tasks.errors import ConfigurationError
from tasks.extract.sample_market.dialect import Dialect
from tasks.extract.sample_market.faults.faults import Faults
from tasks.extract.sample_market.faults.injection import Injection
from tasks.extract.sample_market.market import Market
from tasks.extract.sample_market.service.accounts import Accounts
from tasks.extract.sample_market.service.admin import Admin, Requests
from tasks.extract.sample_market.service.service import Service


class Served:
    """A market while it is served. What is set here holds from the next request on."""

    def __init__(self, origin: str, service: Service, requests: Requests) -> None:
        self.url = f"{origin}/api"
        self.admin_url = f"{origin}/admin"
        self.requests = requests
        self._service = service

    @property
    def market(self) -> Market:
        return self._service.market

    @property
    def accounts(self) -> Accounts:
        return self._service.accounts

    @property
    def faults(self) -> Faults:
        return self._service.injection.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._service.injection.faults = faults

    @property
    def dialect(self) -> Dialect:
        return self._service.dialect

    @dialect.setter
    def dialect(self, dialect: Dialect) -> None:
        self._service.dialect = dialect


@contextmanager
def serve(
    market: Market,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    accounts: Accounts | None = None,
    faults: Faults | None = None,
    dialect: Dialect | None = None,
) -> Iterator[Served]:
    """Serve until the block ends. Without accounts, the token `demo` may do everything; port 0 takes a free one.

    Raises ConfigurationError if the address is taken.
    """
    listener = _listener(host, port)
    connections = _Connections()
    requests = Requests()
    injection = Injection(faults or Faults(), connections.of, requests.by_fault)
    service = Service(market, accounts or Accounts.open(), dialect or Dialect(), injection)
    server = _Server(_configuration(_application(service, requests)), connections)
    thread = threading.Thread(target=server.run, args=[[listener]], name="sample-market", daemon=True)
    thread.start()
    try:
        yield Served(_origin(listener), service, requests)
    finally:
        server.should_exit = True
        thread.join()


class _Connections:
    """The open connections, by which an answer can go wrong below HTTP."""

    def __init__(self) -> None:
        self.open: set[H11Protocol] = set()

    def of(self, request: Request) -> asyncio.Transport:
        client = tuple(request.client or ())
        return next(connection.transport for connection in self.open if connection.client == client)

    def drop(self) -> None:
        for connection in list(self.open):
            connection.transport.abort()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, connections: _Connections) -> None:
        super().__init__(config)
        self._dropped = connections
        self.server_state.connections = connections.open  # type: ignore[assignment]  # all are H11Protocol here

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Some answers on their way would never come, and uvicorn would wait for them.
        self._dropped.drop()
        await super().shutdown(sockets)


class _Counted:
    """Counts what is asked of the API and with which status it was answered."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.by_status[message["status"]] += 1
            await send(message)

        if not scope["path"].startswith("/api/"):
            return await self._app(scope, receive, send)
        self._requests.total += 1
        self._requests.by_path[scope["path"]] += 1
        return await self._app(scope, receive, counting)


def _application(service: Service, requests: Requests) -> ASGIApp:
    routes = [
        Route("/api/eod/{symbol}", service.eod),
        Route("/api/eod-bulk-last-day/{exchange}", service.bulk),
        Route("/api/internal-user", service.user),
        Mount("/admin", routes=Admin(service, requests).routes()),
    ]
    return _Counted(Router(routes), requests)


def _configuration(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        http="h11",
        ws="none",
        loop="asyncio",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,  # a connection that is reused must not meet its end
    )


def _listener(host: str, port: int) -> socket.socket:
    # asyncio turns Nagle's delay off only where the protocol is named; with it, small answers take 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"The sample market cannot listen on {host}, port {port}: {error.strerror}. "
            "Choose another port, or 0 for a free one."
        ) from error
    return listener


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
