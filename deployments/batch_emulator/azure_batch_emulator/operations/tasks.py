"""Operations on tasks."""

import uuid

from azure_batch_emulator.engine import documents
from azure_batch_emulator.engine.jobs import creation
from azure_batch_emulator.engine.model import Ending, Job, Task
from azure_batch_emulator.engine.persistence import task_changed
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks import lifecycle as tasks
from azure_batch_emulator.operations.answers import done, shown, touched
from azure_batch_emulator.operations.checks import check_open, check_task
from azure_batch_emulator.operations.jobs import open_job
from azure_batch_emulator.protocol.call import Call, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError, error_item


def create_task(account: State, call: Call) -> Reply:
    return done(_add(account, open_job(account, call), call.body).resource)


def create_task_collection(account: State, call: Call) -> Reply:
    """Each task is judged by itself; what is wrong with one is told in its place."""
    job = open_job(account, call)
    bodies = enumerate(call.body["value"])
    return Reply(body={"value": [_add_one(account, job, call, index, body) for index, body in bodies]})


def list_tasks(account: State, call: Call) -> Listing:
    return Listing("tasks", [task.resource for task in account.job(call.path["jobId"]).tasks.values()])


def get_task(account: State, call: Call) -> Reply:
    return shown(_task(account, call).resource)


def replace_task(account: State, call: Call) -> Reply:
    """Only the constraints can be changed, and those that are not given go back to their defaults."""
    task = _task(account, call)
    if task.state == "completed":
        raise BatchError("TaskCompleted")
    fresh = documents.new_task({"constraints": call.body.get("constraints")}, task.job.resource, "", account.stamp())
    task.resource["constraints"] = fresh["constraints"]
    task_changed(account, task)
    return touched(account, task.resource)


def delete_task(account: State, call: Call) -> Reply:
    task = _task(account, call)
    tasks.forget(account, task)
    account.hooks.task_deleted(task)
    return Reply()


def terminate_task(account: State, call: Call) -> Reply:
    task = _task(account, call)
    if task.state == "completed":
        raise BatchError("TaskCompleted")
    tasks.end(account, task, Ending.TERMINATED)
    return touched(account, task.resource)


def reactivate_task(account: State, call: Call) -> Reply:
    task = _task(account, call)
    check_open("Job", task.job)
    if task.state != "completed":
        raise BatchError("TaskNotCompleted")
    if task.resource["executionInfo"]["result"] == "success":
        raise BatchError("TaskSucceeded")
    tasks.reactivate(account, task)
    return done(task.resource)


def list_subtasks(account: State, call: Call) -> Listing:
    """There are none: the emulator takes no multi-instance tasks."""
    _task(account, call)
    return Listing("subtasks", [])


def _add(account: State, job: Job, body: JsonObject) -> Task:
    if body["id"].lower() in job.tasks:
        raise BatchError("TaskExists")
    check_task(job, body)
    return creation.new_task(account, job, body)


def _add_one(account: State, job: Job, call: Call, index: int, body: JsonObject) -> JsonObject:
    try:
        if index in call.rejected:
            raise call.rejected[index]
        resource = _add(account, job, body).resource
    except BatchError as error:
        return {
            "status": "ClientError" if error.status < 500 else "ServerError",
            "taskId": str(body.get("id", "")),
            "error": error_item(error, str(uuid.uuid4()), account.clock.now()),
        }
    return {
        "status": "Success",
        "taskId": resource["id"],
        "eTag": resource["eTag"],
        "lastModified": resource["lastModified"],
        "location": resource["url"],
    }


def _task(account: State, call: Call) -> Task:
    return account.task(call.path["jobId"], call.path["taskId"])
