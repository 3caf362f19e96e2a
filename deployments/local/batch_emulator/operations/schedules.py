"""Operations on job schedules."""

from deployments.local.batch_emulator.account import Account
from deployments.local.batch_emulator.call import Call, JsonObject, Listing, Reply
from deployments.local.batch_emulator.engine import documents, schedules
from deployments.local.batch_emulator.engine.keeping import schedule_changed
from deployments.local.batch_emulator.engine.model import Schedule
from deployments.local.batch_emulator.engine.state import transition
from deployments.local.batch_emulator.errors import BatchError
from deployments.local.batch_emulator.operations.answers import done, shown
from deployments.local.batch_emulator.operations.jobs import check_job, check_quota

_BEING = {
    "deleting": "JobScheduleBeingDeleted",
    "terminating": "JobScheduleBeingTerminated",
    "completed": "JobScheduleCompleted",
}
_CHANGEABLE = ("schedule", "jobSpecification", "metadata")


def create_job_schedule(account: Account, call: Call) -> Reply:
    body = call.body
    if body["id"].lower() in account.schedules:
        raise BatchError("JobScheduleExists")
    if body["id"].lower() in account.jobs:
        raise BatchError("JobWithSameIdExists")
    check_job(account, body["jobSpecification"])
    check_quota(account, call)
    account.base_url = call.base_url
    schedule = Schedule(documents.new_schedule(body, f"{account.base_url}/jobschedules/{body['id']}", account.stamp()))
    account.created(schedule.resource)
    account.schedules[schedule.id.lower()] = schedule
    schedules.begin(account, schedule)
    return done(schedule.resource)


def list_job_schedules(account: Account, _call: Call) -> Listing:
    return Listing("jobschedules", [schedule.resource for schedule in account.schedules.values()])


def list_jobs_from_schedule(account: Account, call: Call) -> Listing:
    schedule = account.schedule(call.path["jobScheduleId"])
    jobs = [account.jobs[job_id.lower()] for job_id in schedule.jobs if job_id.lower() in account.jobs]
    return Listing("jobschedule_jobs", [job.resource for job in jobs])


def get_job_schedule(account: Account, call: Call) -> Reply:
    return shown(account.schedule(call.path["jobScheduleId"]).resource)


def job_schedule_exists(account: Account, call: Call) -> Reply:
    return done(account.schedule(call.path["jobScheduleId"]).resource)


def update_job_schedule(account: Account, call: Call) -> Reply:
    """Holds for the jobs that are still to come."""
    return _changed(account, _open(account, call), call.body)


def replace_job_schedule(account: Account, call: Call) -> Reply:
    schedule = _open(account, call)
    schedule.resource.pop("metadata", None)
    return _changed(account, schedule, call.body)


def disable_job_schedule(account: Account, call: Call) -> Reply:
    schedule = _open(account, call)
    schedules.pause(schedule)
    return _entered(account, schedule, "disabled")


def enable_job_schedule(account: Account, call: Call) -> Reply:
    schedule = _open(account, call)
    reply = _entered(account, schedule, "active")
    schedules.replan(account, schedule)
    return reply


def terminate_job_schedule(account: Account, call: Call) -> Reply:
    schedule = _open(account, call)
    schedules.terminate(account, schedule)
    account.touch(schedule.resource)
    return done(schedule.resource)


def delete_job_schedule(account: Account, call: Call) -> Reply:
    schedule = account.schedule(call.path["jobScheduleId"])
    if schedule.resource["state"] == "deleting":
        raise BatchError("JobScheduleBeingDeleted")
    schedules.delete(account, schedule)
    return Reply()


def _open(account: Account, call: Call) -> Schedule:
    schedule = account.schedule(call.path["jobScheduleId"])
    if schedule.resource["state"] in _BEING:
        raise BatchError(_BEING[schedule.resource["state"]])
    return schedule


def _changed(account: Account, schedule: Schedule, body: JsonObject) -> Reply:
    given = {name: body[name] for name in _CHANGEABLE if name in body}
    if "jobSpecification" in given:
        check_job(account, given["jobSpecification"])
        given["jobSpecification"] = documents.job_specification(given["jobSpecification"])
    schedule.resource.update(given)
    account.touch(schedule.resource)
    if "schedule" in given and schedule.resource["state"] == "active":
        schedules.replan(account, schedule)
    schedule_changed(account, schedule)
    return done(schedule.resource)


def _entered(account: Account, schedule: Schedule, name: str) -> Reply:
    if schedule.resource["state"] != name:
        transition(schedule.resource, name, account.stamp())
    account.touch(schedule.resource)
    schedule_changed(account, schedule)
    return done(schedule.resource)
