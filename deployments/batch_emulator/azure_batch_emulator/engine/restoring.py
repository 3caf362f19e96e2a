"""From what the store kept to a running account, as after a power cut: what ran on nodes is in line again."""

from collections.abc import Callable

from azure_batch_emulator.engine.jobs import creation, schedules
from azure_batch_emulator.engine.jobs import lifecycle as jobs
from azure_batch_emulator.engine.model import Job, Node, Pool, Schedule, Task
from azure_batch_emulator.engine.nodes import lifecycle as nodes
from azure_batch_emulator.engine.pools import lifecycle as pools
from azure_batch_emulator.engine.state import State, Store
from azure_batch_emulator.engine.tasks import lifecycle as tasks
from azure_batch_emulator.engine.tasks import task_files
from azure_batch_emulator.protocol.call import JsonObject


def restore(state: State, store: Store) -> None:
    """Fills an empty account with what the store kept and lets all of it go on."""
    last_seen = store.last_seen()
    if last_seen is not None:
        state.clock.not_before(last_seen)
    kept = store.load(state.base_url)
    adding: tuple[tuple[str, Callable[[State, JsonObject], None]], ...] = (
        ("pool", _add_pool),
        ("node", _add_node),
        ("job", _add_job),
        ("schedule", _add_schedule),
        ("task", _add_task),
    )
    for kind, add in adding:
        for document in sorted(kept.get(kind, ()), key=lambda each: each.get("order", 0)):
            add(state, document)
    for job in state.jobs.values():
        for task in job.tasks.values():
            _resume_task(state, task)
    _resume(state)


def _add_pool(state: State, document: JsonObject) -> None:
    pool = Pool(**document)
    state.pools[pool.id.lower()] = pool


def _add_node(state: State, document: JsonObject) -> None:
    pool = state.pools.get(document["pool"].lower())
    if pool is not None:
        node = Node(document["resource"], pool)
        pool.nodes[node.id] = node


def _add_job(state: State, document: JsonObject) -> None:
    job = Job(document["resource"], document["order"], preparations=document["preparations"])
    job.schedule_id = document["schedule"]
    state.jobs[job.id.lower()] = job
    state.seen(job.order, job.resource)


def _add_schedule(state: State, document: JsonObject) -> None:
    schedule = Schedule(document["resource"], runs=document["runs"], jobs=document["jobs"])
    state.schedules[schedule.id.lower()] = schedule


def _add_task(state: State, document: JsonObject) -> None:
    job = state.jobs.get(document["job"].lower())
    if job is None:
        return
    task = Task(document["resource"], job, document["order"], is_manager=document["is_manager"])
    job.tasks[task.id.lower()] = task
    state.seen(task.order, task.resource)
    if task.state != "completed":
        job.open_tasks += 1
    elif task.resource["executionInfo"]["result"] == "failure":
        job.failed_tasks += 1


def _resume_task(state: State, task: Task) -> None:
    if task.state == "completed":
        task_files.expire(state, task)
        return
    if task.state != "active":
        tasks.requeue_after_restart(state, task)
    tasks.depend(task, creation.dependencies(task.resource))
    tasks.enqueue(state, task)


def _resume(state: State) -> None:
    for pool in list(state.pools.values()):
        for node in list(pool.nodes.values()):
            nodes.resume(state, node)
        pools.resume(state, pool)
    for job in list(state.jobs.values()):
        jobs.resume(state, job)
    for schedule in list(state.schedules.values()):
        schedules.resume(state, schedule)
