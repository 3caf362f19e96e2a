"""New jobs and new tasks."""

from azure_batch_emulator.engine import documents
from azure_batch_emulator.engine.jobs import lifecycle as jobs
from azure_batch_emulator.engine.model import Job, Task
from azure_batch_emulator.engine.persistence import task_changed
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks import lifecycle as tasks
from azure_batch_emulator.protocol.call import JsonObject

_MANAGER_ONLY = ("killJobOnCompletion", "runExclusive", "allowLowPriorityNode")


def new_job(state: State, body: JsonObject, *, schedule_id: str | None = None) -> Job:
    resource = documents.new_job(body, f"{state.base_url}/jobs/{body['id']}", state.stamp())
    state.created(resource)
    job = Job(resource, state.next_order(), schedule_id=schedule_id)
    state.jobs[job.id.lower()] = job
    manager = resource.get("jobManagerTask")
    if manager is not None:
        own = {name: value for name, value in manager.items() if name not in _MANAGER_ONLY}
        new_task(state, job, own, is_manager=True)
    jobs.begin(state, job)
    return job


def new_task(state: State, job: Job, body: JsonObject, *, is_manager: bool = False) -> Task:
    url = f"{job.resource['url']}/tasks/{body['id']}"
    resource = documents.new_task(body, job.resource, url, state.stamp())
    state.created(resource)
    # The manager of a job goes before the tasks that it has made.
    task = Task(resource, job, 0 if is_manager else state.next_order(), is_manager=is_manager)
    job.tasks[task.id.lower()] = task
    job.open_tasks += 1
    tasks.depend(task, dependencies(resource))
    tasks.enqueue(state, task)
    task_changed(state, task)
    return task


def dependencies(resource: JsonObject) -> set[str]:
    """Ids in lower case of the tasks that this one depends on; ranges name ids that are numbers."""
    depends_on = resource.get("dependsOn") or {}
    named = {task_id.lower() for task_id in depends_on.get("taskIds") or []}
    for each in depends_on.get("taskIdRanges") or []:
        named.update(str(number) for number in range(each["start"], each["end"] + 1))
    return named
