"""Tells the store which resource has changed, and what of it has to survive a restart."""

from azure_batch_emulator.engine.model import Job, Node, Pool, Schedule, Task
from azure_batch_emulator.engine.state import State, enter
from azure_batch_emulator.protocol.call import JsonObject


def pool_changed(state: State, pool: Pool) -> None:
    kept = ("resource", "made_for", "nodes_made")
    state.store.changed("pool", pool.id.lower(), lambda: {name: getattr(pool, name) for name in kept})


def node_changed(state: State, node: Node) -> None:
    state.store.changed("node", node_key(node), lambda: {"resource": node.resource, "pool": node.pool.id})


def enter_node_state(state: State, node: Node, name: str) -> None:
    enter(node.resource, name, state.stamp())
    node_changed(state, node)


def job_changed(state: State, job: Job) -> None:
    state.store.changed("job", job.id.lower(), lambda: _job(job))


def task_changed(state: State, task: Task) -> None:
    state.store.changed("task", task_key(task), lambda: _task(task))


def schedule_changed(state: State, schedule: Schedule) -> None:
    state.store.changed(
        "schedule",
        schedule.id.lower(),
        lambda: {"resource": schedule.resource, "runs": schedule.runs, "jobs": schedule.jobs},
    )


def node_key(node: Node) -> str:
    return f"{node.pool.id.lower()}/{node.id.lower()}"


def task_key(task: Task) -> str:
    return f"{task.job.id.lower()}/{task.id.lower()}"


def _job(job: Job) -> JsonObject:
    return {
        "resource": job.resource,
        "order": job.order,
        "preparations": job.preparations,
        "schedule": job.schedule_id,
    }


def _task(task: Task) -> JsonObject:
    return {
        "resource": task.resource,
        "job": task.job.id,
        "order": task.order,
        "waiting_for": sorted(task.waiting_for),
        "is_manager": task.is_manager,
    }
