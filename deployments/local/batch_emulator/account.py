"""A Batch account: its resources, the parts of the engine wired together, and where its files lie."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from deployments.local.batch_emulator.clock import Clock
from deployments.local.batch_emulator.engine import (
    jobs,
    nodes,
    pools,
    schedules,
    scheduling,
    strikes,
)
from deployments.local.batch_emulator.engine.restoring import restore
from deployments.local.batch_emulator.engine.state import Hooks, State, Store
from deployments.local.batch_emulator.errors import BatchError
from deployments.local.batch_emulator.execution.launch import Executor
from deployments.local.batch_emulator.execution.simulated import SimulatedExecutor
from deployments.local.batch_emulator.faults import Faults
from deployments.local.batch_emulator.quotas import Quotas
from deployments.local.batch_emulator.timings import Timings


class Account(State):
    """The operations of the data plane work on this, and the admin endpoints too.

    `applications` are ids and their versions: the account can tell of them, and has no packages.
    `base_url` is what urls of new resources begin with; the server sets it once it knows its address.
    """

    def __init__(  # noqa: PLR0913 - what an account is made of
        self,
        name: str,
        clock: Clock,
        faults: Faults,
        executor: Executor,
        quotas: Quotas,
        store: Store,
        root: Path,
        *,
        timings: Timings | None = None,
        seed: int = 0,
        applications: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(name, clock, faults, executor, quotas, store, root, timings=timings, seed=seed)
        self.applications = applications or {}
        self.hooks = Hooks(
            assign=partial(scheduling.assign, self),
            task_running=partial(strikes.task_running, self),
            task_completed=partial(jobs.task_completed, self),
            task_deleted=partial(jobs.task_deleted, self),
            job_idle=jobs.job_idle,
            job_completed=partial(schedules.job_completed, self),
            node_left=partial(pools.node_left, self),
        )

    def start(self) -> None:
        """Fetches what the store kept, and lets it go on. Called once, on the running loop."""
        restore(self, self.store)

    async def close(self) -> None:
        """Ends all that runs. What is stored stays as it was, and goes on after the next start."""
        self.clock.speed = 0  # else timers begin new things while the old ones end
        await super().close()
        self.store.close(self.clock.now())

    def strike_node(self, pool_id: str, node_id: str, action: str) -> None:
        """Of the admin endpoint: `preempt`, `fail`, `break` (unusable) or `recover`. Raises: BatchError."""
        node = self.node(pool_id, node_id)
        kinds = {"preempt": "node_preempted", "fail": "node_failed", "break": "node_unusable"}
        if action == "recover":
            nodes.recover(self, node)
        elif action not in kinds:
            known = ", ".join([*kinds, "recover"])
            raise BatchError("InvalidUri", values={"Reason": f"{action} is not one of {known}"})
        elif not strikes.can_be_hit(node, kinds[action]):
            kind = "dedicated" if node.dedicated else node.state
            raise BatchError("OperationNotValidOnNode", values={"Reason": f"The node is {kind}"})
        else:
            strikes.hit(self, node, kinds[action])

    def end_task(self, job_id: str, task_id: str) -> None:
        """Of the admin endpoint: a simulated task that runs ends now, as it would have later. Raises: BatchError."""
        task = self.task(job_id, task_id)
        if not isinstance(self.executor, SimulatedExecutor):
            raise BatchError("OperationInvalidForCurrentState", values={"Reason": "Tasks are not simulated"})
        if not self.executor.end(job_id, task_id):
            raise BatchError("OperationInvalidForCurrentState", values={"Reason": f"The task is {task.state}"})
