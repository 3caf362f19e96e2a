"""The emulator's own routes under `/emulator/`: state, clock, faults, quotas, counted calls, faults of nodes."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from azure_batch_emulator.account import Account
from azure_batch_emulator.admin.summary import summary
from azure_batch_emulator.control.faults import KINDS, Fault, Faults
from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.times import seconds

_FAULTS = TypeAdapter(list[Fault])
_LIMITS = msgspec.json.Decoder(dict[str, int])


class ClockChange(BaseModel):
    """`advance` is an ISO 8601 duration, `speed` emulated seconds per second (0: time stands still)."""

    model_config = ConfigDict(extra="forbid")

    advance: str | None = None
    speed: float | None = None


@dataclass(frozen=True)
class Admin:
    """What the routes work on."""

    account: Account
    faults: Faults
    calls: Counter[tuple[str, int]]

    def routes(self) -> list[Route]:
        """All of them; unusable input is answered with 400 and the reason as text."""
        return [
            Route("/emulator/", _guarded(self.index), methods=["GET"]),
            Route("/emulator/state", _guarded(self.state), methods=["GET"]),
            Route("/emulator/faults", _guarded(self.list_faults), methods=["GET"]),
            Route("/emulator/faults", _guarded(self.set_faults), methods=["PUT"]),
            Route("/emulator/faults", _guarded(self.add_fault), methods=["POST"]),
            Route("/emulator/faults", _guarded(self.clear_faults), methods=["DELETE"]),
            Route("/emulator/clock", _guarded(self.clock), methods=["GET"]),
            Route("/emulator/clock", _guarded(self.change_clock), methods=["PUT", "POST"]),
            Route("/emulator/calls", _guarded(self.list_calls), methods=["GET"]),
            Route("/emulator/calls", _guarded(self.reset_calls), methods=["DELETE"]),
            Route("/emulator/quotas", _guarded(self.quotas), methods=["GET"]),
            Route("/emulator/quotas", _guarded(self.change_quotas), methods=["PUT"]),
            Route("/emulator/tasks/{job}/{task}/end", _guarded(self.end_task), methods=["POST"]),
            Route("/emulator/nodes/{pool}/{node}/{action}", _guarded(self.act_on_node), methods=["POST"]),
        ]

    async def index(self, _request: Request) -> JsonObject:
        """What can be asked for and switched here, and the kinds of faults there are."""
        methods = {(route.path, method): route for route in self.routes() for method in sorted(route.methods or ())}
        shown = {f"{verb} {path}": (route.endpoint.__doc__ or "").strip() for (path, verb), route in methods.items()}
        return {"routes": {name: does for name, does in shown.items() if not name.startswith("HEAD ")}, "faults": KINDS}

    async def state(self, request: Request) -> JsonObject:
        """Pools, nodes, jobs and tasks as the page shows them."""
        return summary(self.account, tasks_per_job=int(request.query_params.get("tasks", "200")))

    async def list_faults(self, _request: Request) -> JsonObject:
        """The rules in force, with how often each was injected."""
        return {"seed": self.faults.seed, "faults": self.faults.listed()}

    async def set_faults(self, request: Request) -> JsonObject:
        """Replaces all rules by those of the body, a list; counting begins anew."""
        self.faults.set(_FAULTS.validate_json(await request.body()))
        return await self.list_faults(request)

    async def add_fault(self, request: Request) -> JsonObject:
        """Adds the rule of the body to those in force."""
        return {"number": self.faults.add(Fault.model_validate_json(await request.body()))}

    async def clear_faults(self, request: Request) -> JsonObject:
        """Forgets all rules."""
        self.faults.clear()
        return await self.list_faults(request)

    async def clock(self, _request: Request) -> JsonObject:
        """The emulated time and its speed."""
        return {"now": self.account.clock.now().isoformat(), "speed": self.account.clock.speed}

    async def change_clock(self, request: Request) -> JsonObject:
        """Sets the speed, moves the time, or both in this order."""
        change = ClockChange.model_validate_json(await request.body())
        if change.speed is not None:
            self.account.clock.speed = change.speed
        if change.advance is not None:
            await self.account.clock.advance(seconds(change.advance))
        return await self.clock(request)

    async def list_calls(self, _request: Request) -> JsonObject:
        """Calls since the last reset: all, by operation, and by operation and status (0: the connection was reset)."""
        by_status: dict[str, dict[str, int]] = {}
        for (operation, status), count in sorted(self.calls.items()):
            by_status.setdefault(operation, {})[str(status)] = count
        operations = {operation: sum(counts.values()) for operation, counts in by_status.items()}
        return {"total": sum(operations.values()), "operations": operations, "statuses": by_status}

    async def reset_calls(self, request: Request) -> JsonObject:
        """Begins to count anew; answers with what was counted."""
        counted = await self.list_calls(request)
        self.calls.clear()
        return counted

    async def quotas(self, _request: Request) -> JsonObject:
        """The limits of the account."""
        return dataclasses.asdict(self.account.quotas)

    async def change_quotas(self, request: Request) -> JsonObject:
        """Changes the limits that the body names."""
        self.account.quotas = dataclasses.replace(self.account.quotas, **_LIMITS.decode(await request.body()))
        return await self.quotas(request)

    async def act_on_node(self, request: Request) -> JsonObject:
        """`preempt`, `fail`, `break` (it becomes unusable) or `recover`."""
        pool, node = request.path_params["pool"], request.path_params["node"]
        self.account.act_on_node(pool, node, request.path_params["action"])
        return {"state": self.account.node(pool, node).state}

    async def end_task(self, request: Request) -> JsonObject:
        """Ends a simulated task that runs, with the exit code it would have ended with."""
        job, task = request.path_params["job"], request.path_params["task"]
        self.account.end_task(job, task)
        return {"job": job, "task": task}


def _guarded(handler: Callable[[Request], Awaitable[JsonObject]]) -> Callable[[Request], Awaitable[Response]]:
    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return _json(await handler(request))
        except BatchError as error:
            return Response(str(error), status_code=error.status, media_type="text/plain")
        except (ValidationError, ValueError, TypeError, msgspec.DecodeError) as error:
            return Response(str(error), status_code=400, media_type="text/plain")

    return answer


def _json(body: Any) -> Response:  # noqa: ANN401 - any JSON value
    return Response(msgspec.json.encode(body), media_type="application/json")
