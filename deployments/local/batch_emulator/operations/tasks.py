"""Operations on tasks."""

import uuid

from deployments.local.batch_emulator.account import Account
from deployments.local.batch_emulator.call import Call, JsonObject, Listing, Reply
from deployments.local.batch_emulator.engine import creation, documents, tasks
from deployments.local.batch_emulator.engine.keeping import task_changed
from deployments.local.batch_emulator.engine.model import Ending, Job, Task
from deployments.local.batch_emulator.errors import BatchError, error_item
from deployments.local.batch_emulator.operations.answers import done, shown
from deployments.local.batch_emulator.operations.jobs import check_open
from deployments.local.batch_emulator.operations.task_checks import check_task


def create_task(account: Account, call: Call) -> Reply:
    return done(_add(account, _open_job(account, call), call.body).resource)


def create_task_collection(account: Account, call: Call) -> Reply:
    """Each task is judged by itself; what is wrong with one is told in its place."""
    job = _open_job(account, call)
    bodies = enumerate(call.body["value"])
    return Reply(body={"value": [_add_one(account, job, call, index, body) for index, body in bodies]})


def list_tasks(account: Account, call: Call) -> Listing:
    return Listing("tasks", [task.resource for task in account.job(call.path["jobId"]).tasks.values()])


def get_task(account: Account, call: Call) -> Reply:
    return shown(_task(account, call).resource)


def replace_task(account: Account, call: Call) -> Reply:
    """Only the constraints can be changed, and those that are not given go back to their defaults."""
    task = _task(account, call)
    if task.state == "completed":
        raise BatchError("TaskCompleted")
    fresh = documents.new_task({"constraints": call.body.get("constraints")}, task.job.resource, "", account.stamp())
    task.resource["constraints"] = fresh["constraints"]
    account.touch(task.resource)
    task_changed(account, task)
    return done(task.resource)


def delete_task(account: Account, call: Call) -> Reply:
    task = _task(account, call)
    tasks.forget(account, task)
    account.hooks.task_deleted(task)
    return Reply()


def terminate_task(account: Account, call: Call) -> Reply:
    task = _task(account, call)
    if task.state == "completed":
        raise BatchError("TaskCompleted")
    account.touch(task.resource)
    tasks.end(account, task, Ending.TERMINATED)
    return done(task.resource)


def reactivate_task(account: Account, call: Call) -> Reply:
    task = _task(account, call)
    check_open(task.job)
    if task.state != "completed":
        raise BatchError("TaskNotCompleted")
    if task.resource["executionInfo"]["result"] == "success":
        raise BatchError("TaskSucceeded")
    tasks.reactivate(account, task)
    return done(task.resource)


def list_subtasks(account: Account, call: Call) -> Listing:
    """Of multi-instance tasks, which the emulator does not take: so there are none."""
    _task(account, call)
    return Listing("subtasks", [])


def _add(account: Account, job: Job, body: JsonObject) -> Task:
    if body["id"].lower() in job.tasks:
        raise BatchError("TaskExists")
    check_task(job, body)
    return creation.new_task(account, job, body)


def _add_one(account: Account, job: Job, call: Call, index: int, body: JsonObject) -> JsonObject:
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


def _open_job(account: Account, call: Call) -> Job:
    job = account.job(call.path["jobId"])
    check_open(job)
    return job


def _task(account: Account, call: Call) -> Task:
    return account.task(call.path["jobId"], call.path["taskId"])
