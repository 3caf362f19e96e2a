"""An account without a server, on a clock that is moved by hand: whole lives of pools and jobs in milliseconds."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from azure_batch_emulator.account import Account
from azure_batch_emulator.control.clock import Clock
from azure_batch_emulator.control.faults import Fault, Faults
from azure_batch_emulator.control.quotas import Quotas
from azure_batch_emulator.execution.simulated import SimulatedExecutor
from azure_batch_emulator.operations import OPERATIONS
from azure_batch_emulator.protocol.call import Answer, Call, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.routes import ROUTES
from azure_batch_emulator.protocol.validation.bodies import validated, validated_tasks
from azure_batch_emulator.store import open_store

MACHINE = {
    "imageReference": {"publisher": "canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts"},
    "nodeAgentSKUId": "batch.node.ubuntu 22.04",
}
READY = 80  # seconds in which a new pool has its nodes idle


class Emulated:
    """What a test says to the service, in the service's words."""

    def __init__(self, root: Path, *, quotas: Quotas | None = None, state: Path | None = None) -> None:
        self.clock = Clock(speed=0)
        self.faults = Faults(seed=7)
        executor = SimulatedExecutor(self.clock, seed=7)
        store = open_store(state)
        url = "http://batch"
        self.account = Account("batch", self.clock, self.faults, executor, quotas or Quotas(), store, root, url)

    def do(self, operation: str, body: JsonObject | None = None, **path: str) -> Any:
        """The answer to a call, whose body is validated as the protocol does."""
        model = next(route.body for route in ROUTES if route.operation == operation)
        document, rejected = ({}, {}) if body is None or model is None else _checked(operation, model, body)
        call = Call(operation, path, body=document, base_url="http://batch", rejected=rejected)
        answer: Answer | Awaitable[Answer] = OPERATIONS[operation](self.account, call)
        if isinstance(answer, Listing):
            return list(answer.items)
        return answer.body if isinstance(answer, Reply) and answer.body is not None else answer

    def refused(self, operation: str, body: JsonObject | None = None, **path: str) -> str:
        """The code of the error with which a call is refused."""
        try:
            self.do(operation, body, **path)
        except BatchError as error:
            return error.code
        raise AssertionError(f"{operation} was not refused")

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def pool(self, pool_id: str = "p", *, wait: float = READY, **more: Any) -> None:
        """A pool of one dedicated node, unless told otherwise, with its nodes idle."""
        body = {"id": pool_id, "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": MACHINE}
        targets = {} if more.get("enableAutoScale") else {"targetDedicatedNodes": 1}
        self.do("create_pool", {**body, **targets, **more})
        await self.advance(wait)

    def job(self, job_id: str = "j", pool_id: str = "p", **more: Any) -> None:
        self.do("create_job", {"id": job_id, "poolInfo": {"poolId": pool_id}, **more})

    def task(
        self, task_id: str = "t", job_id: str = "j", *, seconds: float = 10, exit_code: int = 0, **more: Any
    ) -> None:
        command = f"simulate --seconds {seconds} --exit-code {exit_code}"
        self.do("create_task", {"id": task_id, "commandLine": command, **more}, jobId=job_id)

    def shown(self, task_id: str = "t", job_id: str = "j") -> JsonObject:
        """The task as the service shows it."""
        found: JsonObject = self.do("get_task", jobId=job_id, taskId=task_id)
        return found

    def states(self, job_id: str = "j") -> dict[str, str]:
        return {task["id"]: task["state"] for task in self.do("list_tasks", jobId=job_id)}

    def shown_job(self, job_id: str = "j") -> JsonObject:
        found: JsonObject = self.do("get_job", jobId=job_id)
        return found

    def shown_pool(self, pool_id: str = "p") -> JsonObject:
        found: JsonObject = self.do("get_pool", poolId=pool_id)
        return found

    def nodes(self, pool_id: str = "p") -> list[JsonObject]:
        found: list[JsonObject] = self.do("list_nodes", poolId=pool_id)
        return found

    def node_states(self, pool_id: str = "p") -> list[str]:
        return [node["state"] for node in self.nodes(pool_id)]

    def at_node(self, operation: str, node: int = 0, body: JsonObject | None = None) -> Any:
        return self.do(operation, body or {}, poolId="p", nodeId=self.nodes()[node]["id"])

    def inject(self, kind: Any, **more: Any) -> None:
        """From now on, this fault and no other."""
        self.faults.set([Fault(kind=kind, **more)])


Scenario = Callable[[Emulated], Awaitable[None]]


def on_emulator(scenario: Scenario | None = None, *, quotas: Quotas | None = None) -> Any:
    """Makes a test of a scenario: it is given a new account in memory."""

    def decorated(scenario: Scenario) -> Callable[[], None]:
        def test() -> None:
            asyncio.run(_play(scenario, quotas))

        test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
        return test

    return decorated if scenario is None else decorated(scenario)


async def _play(scenario: Scenario, quotas: Quotas | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        batch = Emulated(Path(folder), quotas=quotas)
        batch.account.start()
        try:
            await scenario(batch)
        finally:
            await batch.account.close()


def _checked(operation: str, model: str, body: JsonObject) -> tuple[JsonObject, dict[int, BatchError]]:
    if operation == "create_task_collection":
        return validated_tasks(body)
    return validated(model, body), {}
