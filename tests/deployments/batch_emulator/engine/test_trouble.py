"""Much trouble at once, drawn by a seed: no task is lost, no slot leaks, and the counters agree with the tasks."""

import asyncio
import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from azure_batch_emulator.control.faults import Fault
from azure_batch_emulator.protocol.errors import BatchError
from tests.deployments.batch_emulator.emulated import Emulated

TASKS = 300
ROUNDS = 60


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_in_trouble(seed: int) -> None:
    batch = asyncio.run(_trouble(seed))
    job = batch.account.job("j")
    assert {task.state for task in job.tasks.values()} == {"completed"}
    assert (job.open_tasks, len(job.assigned)) == (0, 0)
    counts = batch.do("get_job_task_counts", jobId="j")["taskCounts"]
    assert (counts["failed"], counts["completed"]) == (job.failed_tasks, len(job.tasks))
    for node in batch.account.pool("p").nodes.values():
        assert (node.state, node.tasks, node.used_slots) == ("idle", set(), 0)
        assert node.resource["runningTaskSlotsCount"] == 0


def test_trouble_is_the_same_for_the_same_seed() -> None:
    first, second = (_history(asyncio.run(_trouble(9))) for _ in range(2))
    assert first == second


async def _trouble(seed: int) -> Emulated:
    with tempfile.TemporaryDirectory() as folder:
        batch = Emulated(Path(folder))
        batch.account.start()
        await batch.pool(targetDedicatedNodes=4, targetLowPriorityNodes=6, taskSlotsPerNode=2)
        batch.job()
        for number in range(TASKS):
            failing, retries = int(number % 7 == 0), {"maxTaskRetryCount": 1}
            batch.task(str(number), seconds=20 + number % 40, exit_code=failing, constraints=retries)
        batch.faults.set(
            [
                Fault(kind="node_preempted", rate=0.1, seconds=7),
                Fault(kind="node_failed", rate=0.03, seconds=3),
                Fault(kind="out_of_capacity", rate=0.2),
            ]
        )
        dice = random.Random(seed)
        for _ in range(ROUNDS):
            _something(batch, dice)
            await batch.advance(dice.uniform(0.1, 30))
        batch.faults.clear()
        await _mend(batch)
        await batch.account.close()
        return batch


def _something(batch: Emulated, dice: random.Random) -> None:
    """What a user or the weather may do at any time; some of it the service refuses."""
    node = {"poolId": "p", "nodeId": dice.choice(batch.nodes() or [{"id": "none"}])["id"]}
    option = dice.choice(["requeue", "terminate", "taskcompletion"])
    actions = [
        lambda: batch.do("_reboot_node_internal", {"nodeRebootOption": option}, **node),
        lambda: batch.do("disable_node_scheduling", {"nodeDisableSchedulingOption": option}, **node),
        lambda: batch.do("enable_node_scheduling", **node),
        lambda: batch.do("_resize_pool_internal", _size(dice, option), poolId="p"),
        lambda: batch.do("_stop_pool_resize_internal", poolId="p"),
        lambda: batch.do("_remove_nodes_internal", {"nodeList": [node["nodeId"]]}, poolId="p"),
        lambda: batch.do("_disable_job_internal", {"disableTasks": dice.choice(["requeue", "wait"])}, jobId="j"),
        lambda: batch.do("_enable_job_internal", jobId="j"),
        lambda: batch.do("terminate_task", jobId="j", taskId=str(dice.randrange(TASKS))),
        lambda: batch.do("reactivate_task", jobId="j", taskId=str(dice.randrange(TASKS))),
        lambda: batch.do("delete_task", jobId="j", taskId=str(dice.randrange(TASKS))),
        lambda: batch.account.act_on_node("p", node["nodeId"], dice.choice(["preempt", "fail", "break"])),
    ]
    _tolerantly(dice.choice(actions))


def _size(dice: random.Random, option: str) -> dict[str, object]:
    return {"targetLowPriorityNodes": dice.randrange(8), "nodeDeallocationOption": option}


async def _mend(batch: Emulated) -> None:
    """An operator puts everything right, and then there is time."""
    for _ in range(3):
        await batch.advance(900)
        for node in batch.nodes():
            path = {"poolId": "p", "nodeId": node["id"]}
            _tolerantly(partial(batch.do, "enable_node_scheduling", **path))
            if node["state"] in {"unusable", "offline"}:
                _tolerantly(partial(batch.do, "_reboot_node_internal", {}, **path))
        _tolerantly(partial(batch.do, "_resize_pool_internal", {"targetDedicatedNodes": 4}, poolId="p"))
        _tolerantly(partial(batch.do, "_enable_job_internal", jobId="j"))
    await batch.advance(8 * 3600)


def _tolerantly(action: Callable[[], object]) -> None:
    """A conflict or something that is gone is an answer too; anything else is not."""
    try:
        action()
    except BatchError as refusal:
        if refusal.status not in {404, 409}:
            raise


def _history(batch: Emulated) -> list[tuple[str, object, object]]:
    documents = {task["id"]: task["executionInfo"] for task in batch.do("list_tasks", jobId="j")}
    return [(task_id, each.get("exitCode"), each["requeueCount"]) for task_id, each in documents.items()]
