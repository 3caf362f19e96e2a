"""Operations on job schedules."""

from azure_batch_emulator.engine import documents
from azure_batch_emulator.engine.jobs import schedules
from azure_batch_emulator.engine.model import Schedule
from azure_batch_emulator.engine.persistence import schedule_changed
from azure_batch_emulator.engine.state import State, transition
from azure_batch_emulator.operations.answers import done, shown, touched
from azure_batch_emulator.operations.checks import check_job, check_open, check_quota
from azure_batch_emulator.protocol.call import Call, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError

_CHANGEABLE = ("schedule", "jobSpecification", "metadata")


def create_job_schedule(account: State, call: Call) -> Reply:
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


def list_job_schedules(account: State, _call: Call) -> Listing:
    return Listing("jobschedules", [schedule.resource for schedule in account.schedules.values()])


def list_jobs_from_schedule(account: State, call: Call) -> Listing:
    schedule = account.schedule(call.path["jobScheduleId"])
    jobs = [account.jobs[job_id.lower()] for job_id in schedule.jobs if job_id.lower() in account.jobs]
    return Listing("jobschedule_jobs", [job.resource for job in jobs])


def get_job_schedule(account: State, call: Call) -> Reply:
    return shown(account.schedule(call.path["jobScheduleId"]).resource)


def job_schedule_exists(account: State, call: Call) -> Reply:
    return done(account.schedule(call.path["jobScheduleId"]).resource)


def update_job_schedule(account: State, call: Call) -> Reply:
    """Holds for the jobs that are still to come."""
    return _changed(account, _open(account, call), call.body)


def replace_job_schedule(account: State, call: Call) -> Reply:
    schedule = _open(account, call)
    schedule.resource.pop("metadata", None)
    return _changed(account, schedule, call.body)


def disable_job_schedule(account: State, call: Call) -> Reply:
    schedule = _open(account, call)
    schedules.pause(schedule)
    return _entered(account, schedule, "disabled")


def enable_job_schedule(account: State, call: Call) -> Reply:
    schedule = _open(account, call)
    reply = _entered(account, schedule, "active")
    schedules.replan(account, schedule)
    return reply


def terminate_job_schedule(account: State, call: Call) -> Reply:
    schedule = _open(account, call)
    schedules.terminate(account, schedule)
    return touched(account, schedule.resource)


def delete_job_schedule(account: State, call: Call) -> Reply:
    schedule = account.schedule(call.path["jobScheduleId"])
    if schedule.state == "deleting":
        raise BatchError("JobScheduleBeingDeleted")
    schedules.delete(account, schedule)
    return Reply()


def _open(account: State, call: Call) -> Schedule:
    schedule = account.schedule(call.path["jobScheduleId"])
    check_open("JobSchedule", schedule)
    return schedule


def _changed(account: State, schedule: Schedule, body: JsonObject) -> Reply:
    given = {name: body[name] for name in _CHANGEABLE if name in body}
    if "jobSpecification" in given:
        check_job(account, given["jobSpecification"])
        given["jobSpecification"] = documents.job_specification(given["jobSpecification"])
    schedule.resource.update(given)
    account.touch(schedule.resource)
    if "schedule" in given and schedule.state == "active":
        schedules.replan(account, schedule)
    schedule_changed(account, schedule)
    return done(schedule.resource)


def _entered(account: State, schedule: Schedule, name: str) -> Reply:
    if schedule.state != name:
        transition(schedule.resource, name, account.stamp())
    schedule_changed(account, schedule)
    return touched(account, schedule.resource)
