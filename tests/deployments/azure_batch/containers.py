"""Stands for what the containers of simulated tasks would do: it tells Prefect of a run what its task does.

A task that the emulator shows as running makes its run Running, one that ended with exit code 0 makes it Completed; any
other end says nothing, as that of a process that was killed. It sees when a run is executed twice at the same time.
"""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.states import Completed, Running

from deployments.azure_batch.identifiers import parse_task_id
from tests.deployments.local.batch_emulator_server import Emulator

_LOOK = 0.3
_AT_ONCE = 8


class Containers:
    """`twice` are the runs that two tasks executed at the same time; `tasks` counts the tasks of each run."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._told: dict[str, str] = {}
        self.tasks: Counter[UUID] = Counter()
        self.twice: set[UUID] = set()

    async def live(self) -> None:
        """Until it is cancelled."""
        async with get_client() as prefect, httpx.AsyncClient(base_url=self._emulator.endpoint, timeout=60) as admin:
            while True:
                await self._look(prefect, (await admin.get("/emulator/state", params={"tasks": 10_000})).json())
                await asyncio.sleep(_LOOK)

    async def _look(self, prefect: PrefectClient, state: dict[str, Any]) -> None:
        found = [task for job in state["jobs"] for task in job["tasks"] if parse_task_id(task["id"])]
        self.tasks = Counter(_run(task) for task in found)
        executing = Counter(_run(task) for task in found if task["state"] == "running")
        self.twice |= {run for run, count in executing.items() if count > 1}
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._tell(prefect, gate, task) for task in found))

    async def _tell(self, prefect: PrefectClient, gate: asyncio.Semaphore, task: dict[str, Any]) -> None:
        state, told = task["state"], self._told.get(task["id"])
        well = state == "completed" and task.get("executionInfo", {}).get("exitCode") == 0
        if state not in {"running", "completed"} or told == state:
            return
        async with gate:
            run = _run(task)
            if told is None and (state == "running" or well):
                await prefect.set_flow_run_state(run, Running())
            if well:
                await prefect.set_flow_run_state(run, Completed())
            self._told[task["id"]] = state


def _run(task: dict[str, Any]) -> UUID:
    parsed = parse_task_id(task["id"])
    assert parsed
    return parsed[0]
