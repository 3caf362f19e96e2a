"""What the page shows: pools with their nodes, jobs with their tasks, schedules; all counted, the newest in detail."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from azure_batch_emulator.engine.model import Job, Node, Pool, Schedule, Task
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.protocol.call import JsonObject


def summary(state: State, *, tasks_per_job: int = 200) -> JsonObject:
    """`account`, `now` (UTC), `speed`, `pools`, `jobs`, `schedules`; of each job the newest tasks only."""
    return {
        "account": state.name,
        "now": state.clock.now().isoformat(),
        "speed": state.clock.speed,
        "executor": state.executor.name,
        "pools": [_pool(pool) for pool in state.pools.values()],
        "jobs": [_job(job, tasks_per_job) for job in state.jobs.values()],
        "schedules": [_schedule(schedule) for schedule in state.schedules.values()],
    }


def _pool(pool: Pool) -> JsonObject:
    resource = pool.resource
    names = (
        "id",
        "state",
        "allocationState",
        "vmSize",
        "currentDedicatedNodes",
        "targetDedicatedNodes",
        "currentLowPriorityNodes",
        "targetLowPriorityNodes",
        "enableAutoScale",
        "taskSlotsPerNode",
        "resizeErrors",
    )
    return {**_chosen(resource, names), "nodes": [_node(node) for node in pool.nodes.values()]}


def _node(node: Node) -> JsonObject:
    names = ("id", "state", "stateTransitionTime", "isDedicated", "schedulingState", "errors", "totalTasksRun")
    return {**_chosen(node.resource, names), "tasks": sorted(f"{task.job.id}/{task.id}" for task in node.tasks)}


def _job(job: Job, tasks: int) -> JsonObject:
    counts = Counter(task.state for task in job.tasks.values())
    names = ("id", "state", "priority", "creationTime", "executionInfo", "onAllTasksComplete")
    newest = islice(reversed(job.tasks.values()), tasks)
    details = {"taskCounts": dict(counts), "failedTasks": job.failed_tasks, "tasks": [_task(task) for task in newest]}
    return {**_chosen(job.resource, names), **details}


def _task(task: Task) -> JsonObject:
    names = ("id", "displayName", "state", "stateTransitionTime", "executionInfo")
    node = task.resource.get("nodeInfo", {}).get("nodeId")
    return {**_chosen(task.resource, names), "nodeId": node}


def _schedule(schedule: Schedule) -> JsonObject:
    return _chosen(schedule.resource, ("id", "state", "executionInfo"))


def _chosen(resource: JsonObject, names: Iterable[str]) -> JsonObject:
    return {name: resource[name] for name in names if name in resource}
