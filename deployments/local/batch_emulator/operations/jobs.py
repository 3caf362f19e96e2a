"""Operations on jobs."""

from deployments.local.batch_emulator.account import Account
from deployments.local.batch_emulator.call import Call, JsonObject, Listing, Reply
from deployments.local.batch_emulator.engine import creation, documents, jobs
from deployments.local.batch_emulator.engine.keeping import job_changed
from deployments.local.batch_emulator.engine.model import Job
from deployments.local.batch_emulator.errors import BatchError
from deployments.local.batch_emulator.operations.answers import done, refused, shown
from deployments.local.batch_emulator.operations.pools import check_pool

_BEING = {
    "deleting": "JobBeingDeleted",
    "terminating": "JobBeingTerminated",
    "completed": "JobCompleted",
}
_SLOTS = ("active", "running", "completed", "succeeded", "failed")


def create_job(account: Account, call: Call) -> Reply:
    body = call.body
    if body["id"].lower() in account.jobs:
        raise BatchError("JobExists")
    if body["id"].lower() in account.schedules:
        raise BatchError("JobScheduleWithSameIdExists")
    check_job(account, body)
    check_quota(account, call)
    account.base_url = call.base_url
    return done(creation.new_job(account, body).resource)


def list_jobs(account: Account, _call: Call) -> Listing:
    return Listing("jobs", [job.resource for job in account.jobs.values()])


def get_job(account: Account, call: Call) -> Reply:
    return shown(account.job(call.path["jobId"]).resource)


def update_job(account: Account, call: Call) -> Reply:
    """What a PATCH names is replaced as a whole: constraints without a wall clock time have none."""
    return _changed(account, _open(account, call), call.body)


def replace_job(account: Account, call: Call) -> Reply:
    """What a PUT does not name goes back to its default."""
    job = _open(account, call)
    kept = ("usesTaskDependencies", "onTaskFailure")
    defaults = {name: value for name, value in documents.JOB_DEFAULTS.items() if name not in kept}
    job.resource.pop("metadata", None)
    changeable = {*defaults, "constraints", "poolInfo", "metadata", "networkConfiguration"}
    given = {name: value for name, value in call.body.items() if name in changeable}
    return _changed(account, job, {**defaults, "constraints": {}, **given})


def delete_job(account: Account, call: Call) -> Reply:
    job = account.job(call.path["jobId"])
    if job.state == "deleting":
        raise BatchError("JobBeingDeleted")
    jobs.delete(account, job)
    return Reply()


def disable_job(account: Account, call: Call) -> Reply:
    job = _open(account, call)
    jobs.disable(account, job, call.body["disableTasks"])
    account.touch(job.resource)
    return done(job.resource)


def enable_job(account: Account, call: Call) -> Reply:
    job = _open(account, call)
    if job.state not in {"disabled", "disabling"}:
        raise BatchError("OperationInvalidForCurrentState", values={"Reason": f"The job is {job.state}"})
    jobs.enable(account, job)
    account.touch(job.resource)
    return done(job.resource)


def terminate_job(account: Account, call: Call) -> Reply:
    job = _open(account, call)
    jobs.terminate(account, job, call.body.get("terminateReason") or "UserTerminate")
    account.touch(job.resource)
    return done(job.resource)


def get_job_task_counts(account: Account, call: Call) -> Reply:
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


def list_job_preparation_and_release_task_status(account: Account, call: Call) -> Listing:
    job = account.job(call.path["jobId"])
    if "jobPreparationTask" not in job.resource:
        raise BatchError("JobPreparationTaskNotSpecified")
    return Listing("jobpreparationandreleasetaskstatus", list(job.preparations.values()))


def check_job(account: Account, body: JsonObject) -> None:
    """What no single property tells of a job, or of the jobs of a schedule. Raises: BatchError."""
    info = body["poolInfo"]
    named, own = info.get("poolId"), info.get("autoPoolSpecification")
    if (named is None) == (own is None):
        raise refused("poolInfo", info, "Exactly one of poolId and autoPoolSpecification must be given")
    pool = account.pools.get((named or "").lower())
    if pool is not None and pool.resource["state"] == "deleting":
        raise BatchError("PoolBeingDeleted")
    if own is not None and "pool" in own:
        check_pool(own["pool"])
    if "jobReleaseTask" in body and "jobPreparationTask" not in body:
        raise refused("jobReleaseTask", "", "A job release task needs a job preparation task")
    manager = (body.get("jobManagerTask") or {}).get("id")
    if manager is not None:
        check_task_id(body, manager)


def check_quota(account: Account, call: Call) -> None:
    """Disabled jobs count, completed ones do not. Raises: BatchError ActiveJobAndScheduleQuotaReached."""
    active = sum(job.state not in {"completed", "deleting"} for job in account.jobs.values())
    active += sum(each.resource["state"] not in {"completed", "deleting"} for each in account.schedules.values())
    struck = account.faults.draw("quota_reached", operation=call.operation, job=str(call.body["id"]))
    if struck is not None or active >= account.quotas.active_jobs_and_schedules:
        raise BatchError("ActiveJobAndScheduleQuotaReached")


def check_task_id(job: JsonObject, task_id: str) -> None:
    """Raises: BatchError where the preparation or release task of the job has this id."""
    for name, default in (("Preparation", "jobpreparation"), ("Release", "jobrelease")):
        own = job.get(f"job{name}Task")
        if own is not None and own.get("id", default).lower() == task_id.lower():
            raise BatchError(f"TaskIdSameAsJob{name}Task")


def check_open(job: Job) -> None:
    """Raises: BatchError for a job that is over or about to be."""
    if job.state in _BEING:
        raise BatchError(_BEING[job.state])


def _open(account: Account, call: Call) -> Job:
    job = account.job(call.path["jobId"])
    check_open(job)
    return job


def _changed(account: Account, job: Job, body: JsonObject) -> Reply:
    _check_change(job, body)
    job.resource.update(body)
    if "constraints" in body:
        job.resource["constraints"] = {**documents.DEFAULT_CONSTRAINTS, **body["constraints"]}
        jobs.watch_wall_clock(account, job)
    if "poolInfo" in body and "poolId" in body["poolInfo"]:
        job.resource["executionInfo"]["poolId"] = body["poolInfo"]["poolId"]
    account.touch(job.resource)
    account.wake_for(job)
    jobs.complete_if_done(account, job)
    job_changed(account, job)
    return done(job.resource)


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
