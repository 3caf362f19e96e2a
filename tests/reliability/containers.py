"""Stands for what the containers of simulated tasks would do: it tells Prefect of a run what its task does.

A task that the emulator shows as running makes its run Running. One whose run ends well works for a while, makes it
Completed, and only then ends, as a process does; one that is killed ends by itself, and says nothing. It sees when a
run is executed twice at the same time.
"""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Running

from azure_batch_emulator.running_emulator import Emulator
from batch_launcher.attempts import parse_task_id
from tests.servers.patient import patient_client

_LOOK = 0.3
_WORKS = 2.0  # seconds
_AT_ONCE = 8


class Containers:
    """`well` are the runs that end well; `twice` those that two tasks executed at the same time; `tasks` counts the
    tasks of each run."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._begun: dict[str, float] = {}
        self._completed: set[str] = set()
        self.well: set[UUID] = set()
        self.tasks: Counter[UUID] = Counter()
        self.twice: set[UUID] = set()

    async def live(self) -> None:
        """Goes on until it is cancelled."""
        async with (
            patient_client() as prefect,
            httpx.AsyncClient(base_url=self._emulator.endpoint, timeout=60) as admin,
        ):
            while True:
                await self._look(prefect, admin)
                await asyncio.sleep(_LOOK)

    async def _look(self, prefect: PrefectClient, admin: httpx.AsyncClient) -> None:
        state = (await admin.get("/emulator/state", params={"tasks": 10_000})).json()
        found = [(job["id"], task) for job in state["jobs"] for task in job["tasks"] if parse_task_id(task["id"])]
        executing = [(job, task) for job, task in found if task["state"] == "running"]
        self.tasks = Counter(_run(task) for _, task in found)
        self.twice |= {run for run, count in Counter(_run(task) for _, task in executing).items() if count > 1}
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._work(prefect, admin, gate, job, task["id"]) for job, task in executing))

    async def _work(
        self, prefect: PrefectClient, admin: httpx.AsyncClient, gate: asyncio.Semaphore, job: str, task: str
    ) -> None:
        run = _run({"id": task})
        # One that was deleted: its process goes on, and notices nothing.
        async with gate:
            with suppress(ObjectNotFound):
                if task not in self._begun:
                    state = (await prefect.read_flow_run(run)).state
                    if state and state.is_pending():  # else it is not executed, as the launcher has it
                        await prefect.set_flow_run_state(run, Running())
                    self._begun[task] = time.monotonic()
                elif run in self.well and time.monotonic() - self._begun[task] > _WORKS:
                    if task not in self._completed:
                        await prefect.set_flow_run_state(run, Completed())
                        self._completed.add(task)
                    # Refused where its node was lost a moment ago: it runs again, and ends then.
                    await admin.post(f"/emulator/tasks/{job}/{task}/end")


def _run(task: dict[str, Any]) -> UUID:
    parsed = parse_task_id(task["id"])
    assert parsed
    return parsed[0]
