"""The emulator's process: one account, its data plane, its own routes and its page, behind one socket."""

import base64
import logging
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from azure_batch_emulator.account import Account
from azure_batch_emulator.admin import page
from azure_batch_emulator.admin.routes import Admin
from azure_batch_emulator.control.clock import Clock
from azure_batch_emulator.control.faults import Faults
from azure_batch_emulator.control.quotas import Quotas
from azure_batch_emulator.engine.state import Store
from azure_batch_emulator.execution.environment import AccountFacts
from azure_batch_emulator.execution.executor_choice import make_executor
from azure_batch_emulator.execution.processes import end_leftovers
from azure_batch_emulator.operations import OPERATIONS
from azure_batch_emulator.protocol.app import DataPlane
from azure_batch_emulator.protocol.authentication import (
    Authentication,
    BearerCheck,
    accept_any,
    accept_audience,
    refuse_all,
)
from azure_batch_emulator.protocol.connections import ServiceProtocol, reset
from azure_batch_emulator.store import open_store

PUBLIC_KEY = base64.b64encode(b"Everybody knows this key of the Batch emulator: use it nowhere.").decode()
BEARER_CHECKS: Mapping[str, BearerCheck] = {"any": accept_any, "audience": accept_audience, "none": refuse_all}


@dataclass(frozen=True)
class Settings:
    """What the command line says. `key` None refuses shared keys; `state` None keeps everything in memory."""

    account: str
    key: str | None
    bearer: str
    speed: float
    state: Path | None
    executor: str
    seed: int
    quotas: Quotas
    storage_keys: Mapping[str, str] = field(default_factory=dict)
    auto_storage: str | None = None
    applications: Mapping[str, Sequence[str]] = field(default_factory=dict)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises: OSError that says what to do when the port is taken."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise OSError(
            f"The emulator cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what uses the port, or choose another with --port (0 takes any that is free)."
        ) from error
    return sock


def url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(settings: Settings, sock: socket.socket, ready: Callable[[str], None]) -> None:
    """Serves until the process is interrupted; `ready` is called with what runs tasks when calls are answered."""
    host, port = sock.getsockname()[:2]
    with tempfile.TemporaryDirectory(prefix="batch-emulator-", ignore_cleanup_errors=True) as folder:
        nodes = (Path(folder) if settings.state is None else settings.state / "nodes").resolve()
        app = create_app(settings, url(host, port), nodes, ready)
        config = uvicorn.Config(
            app,
            http=ServiceProtocol,
            ws="none",
            lifespan="on",
            log_level=logging.WARNING,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        _Server(config).run(sockets=[sock])


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as uvicorn's
        """Once is enough: a second Ctrl-C would have uvicorn stop before the account has ended its tasks."""
        self.should_exit = True


def create_app(settings: Settings, endpoint: str, nodes: Path, ready: Callable[[str], None]) -> Starlette:
    """The application; its lifespan begins and ends what runs in the account, on nodes that are folders in `nodes`."""
    store = open_store(settings.state)
    faults = Faults(settings.seed)
    account = _account(settings, endpoint, faults, store, nodes)
    calls: Counter[tuple[str, int]] = Counter()
    authentication = Authentication(settings.account, settings.key, BEARER_CHECKS[settings.bearer])
    plane = DataPlane(account, OPERATIONS, authentication, faults, account.clock.now, reset, calls)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        end_leftovers(nodes)
        account.start()
        ready(account.executor.name)
        try:
            yield
        finally:
            await account.close()

    routes = [*page.routes(), *Admin(account, faults, calls).routes(), Mount("/", app=plane)]
    return Starlette(routes=routes, lifespan=lifespan)


def _account(settings: Settings, endpoint: str, faults: Faults, store: Store, nodes: Path) -> Account:
    clock = Clock(speed=settings.speed)
    facts = AccountFacts(settings.account, endpoint)
    executor = make_executor(
        settings.executor,
        facts,
        clock,
        seed=settings.seed,
        storage_keys=settings.storage_keys,
        auto_storage=settings.auto_storage,
    )
    return Account(
        settings.account,
        clock,
        faults,
        executor,
        settings.quotas,
        store,
        nodes,
        endpoint,
        seed=settings.seed,
        applications=settings.applications,
    )
