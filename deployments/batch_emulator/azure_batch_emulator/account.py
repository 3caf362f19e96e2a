"""A Batch account: its resources, and the parts of the engine wired together."""

from functools import partial

from azure_batch_emulator.engine.jobs import lifecycle as jobs
from azure_batch_emulator.engine.jobs import schedules
from azure_batch_emulator.engine.nodes import lifecycle as nodes
from azure_batch_emulator.engine.nodes import node_faults
from azure_batch_emulator.engine.pools import lifecycle as pools
from azure_batch_emulator.engine.restoring import restore
from azure_batch_emulator.engine.state import Hooks, State
from azure_batch_emulator.engine.tasks import scheduling
from azure_batch_emulator.execution.simulated import SimulatedExecutor
from azure_batch_emulator.protocol.errors import BatchError


class Account(State):
    """What is served: the admin endpoints work on this, and the operations of the data plane on its state."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hooks = Hooks(
            assign=partial(scheduling.assign, self),
            task_running=partial(node_faults.task_running, self),
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

    def act_on_node(self, pool_id: str, node_id: str, action: str) -> None:
        """Does what a test asks for: `preempt`, `fail`, `break` (unusable), `recover`. Raises: BatchError."""
        node = self.node(pool_id, node_id)
        kinds = {"preempt": "node_preempted", "fail": "node_failed", "break": "node_unusable"}
        if action == "recover":
            nodes.recover(self, node)
        elif action not in kinds:
            known = ", ".join([*kinds, "recover"])
            raise BatchError("InvalidUri", values={"Reason": f"{action} is not one of {known}"})
        elif not node_faults.applies(node, kinds[action]):
            kind = "dedicated" if node.dedicated else node.state
            raise BatchError("OperationNotValidOnNode", values={"Reason": f"The node is {kind}"})
        else:
            node_faults.inject(self, node, kinds[action])

    def end_task(self, job_id: str, task_id: str) -> None:
        """Lets a simulated task that runs end now, as it would have later. Raises: BatchError."""
        task = self.task(job_id, task_id)
        if not isinstance(self.executor, SimulatedExecutor):
            raise BatchError("OperationInvalidForCurrentState", values={"Reason": "Tasks are not simulated"})
        if not self.executor.end(job_id, task_id):
            raise BatchError("OperationInvalidForCurrentState", values={"Reason": f"The task is {task.state}"})
