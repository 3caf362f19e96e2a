"""Which task goes to which node: by priority of jobs, age of tasks, and free slots."""

from azure_batch_emulator.engine.model import Job, Node, Pool, Task
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks import executions


def assign(state: State, pool: Pool) -> None:
    """Fills the free slots of the pool. A task that needs more slots than a node has waits for ever."""
    nodes = [node for node in pool.nodes.values() if node.takes_tasks and node.free_slots > 0]
    for job in _jobs_of(state, pool):
        while nodes and _has_room(job):
            chosen = _next(job, pool, nodes)
            if chosen is None:
                break
            task, node = chosen
            executions.start(state, task, node)
            if node.free_slots <= 0:
                nodes.remove(node)


def _jobs_of(state: State, pool: Pool) -> list[Job]:
    key = pool.id.lower()
    jobs = [job for job in state.jobs.values() if job.state == "active" and (job.pool_id or "").lower() == key]
    return sorted(jobs, key=lambda job: (-job.resource["priority"], job.order))


def _has_room(job: Job) -> bool:
    most = job.resource["maxParallelTasks"]
    return bool(most == -1 or len(job.assigned) < most)


def _next(job: Job, pool: Pool, nodes: list[Node]) -> tuple[Task, Node] | None:
    fit = [node for node in nodes if node.id not in job.unprepared]
    if not fit:
        return None
    task = job.first_in_line(max(node.free_slots for node in fit))
    if task is None:
        return None
    roomy = [node for node in fit if _takes(node, task)]
    return (task, _choose(pool, roomy, task)) if roomy else None


def _takes(node: Node, task: Task) -> bool:
    if task.is_manager:
        manager = task.job.resource["jobManagerTask"]
        if not node.dedicated and not manager.get("allowLowPriorityNode", True):
            return False
    return node.free_slots >= task.slots and not (task.runs_alone and node.tasks)


def _choose(pool: Pool, nodes: list[Node], task: Task) -> Node:
    """The node that the task asks for where it is free; else the emptiest to spread tasks, the fullest to pack them."""
    affinity = (task.resource.get("affinityInfo") or {}).get("affinityId")
    wanted = [node for node in nodes if node.resource["affinityId"] == affinity]
    if wanted:
        return wanted[0]
    pack = pool.resource["taskSchedulingPolicy"]["nodeFillType"] == "Pack"
    return min(nodes, key=lambda node: node.free_slots if pack else -node.free_slots)
