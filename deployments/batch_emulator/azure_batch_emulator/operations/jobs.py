"""Operations on jobs."""

from azure_batch_emulator.engine import documents
from azure_batch_emulator.engine.jobs import creation
from azure_batch_emulator.engine.jobs import lifecycle as jobs
from azure_batch_emulator.engine.model import Job
from azure_batch_emulator.engine.persistence import job_changed
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.operations.answers import done, shown, touched
from azure_batch_emulator.operations.checks import check_job, check_open, check_quota
from azure_batch_emulator.protocol.call import Call, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError

_SLOTS = ("active", "running", "completed", "succeeded", "failed")


def create_job(account: State, call: Call) -> Reply:
    body = call.body
    if body["id"].lower() in account.jobs:
        raise BatchError("JobExists")
    if body["id"].lower() in account.schedules:
        raise BatchError("JobScheduleWithSameIdExists")
    check_job(account, body)
    check_quota(account, call)
    account.base_url = call.base_url
    return done(creation.new_job(account, body).resource)


def list_jobs(account: State, _call: Call) -> Listing:
    return Listing("jobs", [job.resource for job in account.jobs.values()])


def get_job(account: State, call: Call) -> Reply:
    return shown(account.job(call.path["jobId"]).resource)


def update_job(account: State, call: Call) -> Reply:
    """What a PATCH names is replaced as a whole: constraints without a wall clock time have none."""
    return _changed(account, open_job(account, call), call.body)


def replace_job(account: State, call: Call) -> Reply:
    """What a PUT does not name goes back to its default."""
    job = open_job(account, call)
    kept = ("usesTaskDependencies", "onTaskFailure")
    defaults = {name: value for name, value in documents.JOB_DEFAULTS.items() if name not in kept}
    job.resource.pop("metadata", None)
    changeable = {*defaults, "constraints", "poolInfo", "metadata", "networkConfiguration"}
    given = {name: value for name, value in call.body.items() if name in changeable}
    return _changed(account, job, {**defaults, "constraints": {}, **given})


def delete_job(account: State, call: Call) -> Reply:
    job = account.job(call.path["jobId"])
    if job.state == "deleting":
        raise BatchError("JobBeingDeleted")
    jobs.delete(account, job)
    return Reply()


def disable_job(account: State, call: Call) -> Reply:
    job = open_job(account, call)
    jobs.disable(account, job, call.body["disableTasks"])
    return touched(account, job.resource)


def enable_job(account: State, call: Call) -> Reply:
    job = open_job(account, call)
    if job.state not in {"disabled", "disabling"}:
        raise BatchError("OperationInvalidForCurrentState", values={"Reason": f"The job is {job.state}"})
    jobs.enable(account, job)
    return touched(account, job.resource)


def terminate_job(account: State, call: Call) -> Reply:
    job = open_job(account, call)
    jobs.terminate(account, job, call.body.get("terminateReason") or "UserTerminate")
    return touched(account, job.resource)


def get_job_task_counts(account: State, call: Call) -> Reply:
    job = account.job(call.path["jobId"])
    counts, slots = dict.fromkeys(_SLOTS, 0), dict.fromkeys(_SLOTS, 0)
    for task in job.tasks.values():
        # The service counts tasks that are being prepared as running.
        names = ["running" if task.state == "preparing" else task.state]
        if task.state == "completed":
            names.append("succeeded" if task.resource["executionInfo"]["result"] == "success" else "failed")
        for name in names:
            counts[name] += 1
            slots[name] += task.slots
    return Reply(body={"taskCounts": counts, "taskSlotCounts": slots})


def list_job_preparation_and_release_task_status(account: State, call: Call) -> Listing:
    job = account.job(call.path["jobId"])
    if "jobPreparationTask" not in job.resource:
        raise BatchError("JobPreparationTaskNotSpecified")
    return Listing("jobpreparationandreleasetaskstatus", list(job.preparations.values()))


def open_job(account: State, call: Call) -> Job:
    job = account.job(call.path["jobId"])
    check_open("Job", job)
    return job


def _changed(account: State, job: Job, body: JsonObject) -> Reply:
    _check_change(job, body)
    job.resource.update(body)
    if "constraints" in body:
        job.resource["constraints"] = {**documents.DEFAULT_CONSTRAINTS, **body["constraints"]}
        jobs.watch_wall_clock(account, job)
    if "poolInfo" in body and "poolId" in body["poolInfo"]:
        job.resource["executionInfo"]["poolId"] = body["poolInfo"]["poolId"]
    account.wake_for(job)
    jobs.complete_if_done(account, job)
    job_changed(account, job)
    return touched(account, job.resource)


def _check_change(job: Job, body: JsonObject) -> None:
    info = body.get("poolInfo")
    if info is None or info == job.resource["poolInfo"]:
        return
    own, before = info.get("autoPoolSpecification"), job.resource["poolInfo"].get("autoPoolSpecification")
    if own is not None and before is not None and {**own, "keepAlive": None} == {**before, "keepAlive": None}:
        return
    if job.state != "disabled":
        reason = "The pool of a job can only be changed while the job is disabled"
        raise BatchError("OperationInvalidForCurrentState", values={"Reason": reason})
