"""Job schedules: at its times, a schedule makes a job, one at once and never two.

active <-> disabled      active -> completed      active -> terminating -> completed      any -> deleting -> gone
"""

from datetime import datetime, timedelta

from azure_batch_emulator.control.clock import cancel
from azure_batch_emulator.engine.jobs import creation
from azure_batch_emulator.engine.jobs import lifecycle as jobs
from azure_batch_emulator.engine.model import Job, Schedule
from azure_batch_emulator.engine.persistence import schedule_changed
from azure_batch_emulator.engine.pools import auto_pools
from azure_batch_emulator.engine.state import State, transition
from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.times import moment, seconds, stamp


def begin(state: State, schedule: Schedule) -> None:
    start = _configuration(schedule).get("doNotRunUntil")
    now = state.clock.now()
    _plan(state, schedule, now if start is None else max(now, moment(start)))
    if schedule.due is not None and schedule.due <= state.clock.now():
        # The answer to who asks next names the first job already (recorded).
        pause(schedule)
        _run(state, schedule)


def replan(state: State, schedule: Schedule) -> None:
    """After its times were changed or it was enabled: the next run that is still to come."""
    interval = _configuration(schedule).get("recurrenceInterval")
    due = schedule.due or state.clock.now()
    while interval is not None and due < state.clock.now():
        due += timedelta(seconds=seconds(interval))
    _plan(state, schedule, max(due, state.clock.now()))


def resume(state: State, schedule: Schedule) -> None:
    """After a restart of the emulator: goes on with what was going on."""
    name = schedule.state
    if name == "active" and "nextRunTime" in schedule.resource["executionInfo"]:
        _plan(state, schedule, moment(schedule.resource["executionInfo"]["nextRunTime"]))
    elif name == "deleting":
        schedule.timer = state.clock.call_later(state.timings.deleting, lambda: _forget(state, schedule))
    elif name in {"active", "terminating"} and _running_job(state, schedule) is None:
        _complete(state, schedule)


def pause(schedule: Schedule) -> None:
    cancel(schedule.timer)
    schedule.timer = None


def terminate(state: State, schedule: Schedule) -> None:
    """Its job ends with it."""
    pause(schedule)
    _enter(state, schedule, "terminating")
    job = _running_job(state, schedule)
    if job is None:
        schedule.timer = state.clock.call_later(state.timings.no_change, lambda: _complete(state, schedule))
    else:
        jobs.terminate(state, job, "TerminateJobSchedule")


def delete(state: State, schedule: Schedule) -> None:
    """All its jobs go with it."""
    pause(schedule)
    _enter(state, schedule, "deleting")
    for job_id in schedule.jobs:
        job = state.jobs.get(job_id.lower())
        if job is not None and job.state != "deleting":
            jobs.delete(state, job)
    schedule.timer = state.clock.call_later(state.timings.deleting, lambda: _forget(state, schedule))


def job_completed(state: State, job: Job) -> None:
    """A schedule whose job has ended may run again, is over, or has been waiting for that."""
    schedule = state.schedules.get((job.schedule_id or "").lower())
    if schedule is None:
        return
    if schedule.state == "terminating":
        _complete(state, schedule)
    elif schedule.state == "active":
        if schedule.due is None:
            _complete(state, schedule)
        elif schedule.due <= state.clock.now():
            _run(state, schedule)


def _plan(state: State, schedule: Schedule, due: datetime | None) -> None:
    pause(schedule)
    end = _configuration(schedule).get("doNotRunAfter")
    if due is not None and end is not None and due > moment(end):
        due = None
    schedule.due = due
    execution = schedule.resource["executionInfo"]
    execution.pop("nextRunTime", None)
    if due is None:
        if _running_job(state, schedule) is None:
            _complete(state, schedule)
    else:
        execution["nextRunTime"] = stamp(due)
        wait = (due - state.clock.now()).total_seconds()
        schedule.timer = state.clock.call_later(wait, lambda: _run(state, schedule))
    schedule_changed(state, schedule)


def _run(state: State, schedule: Schedule) -> None:
    """Makes the job that is due, unless one still runs: then as soon as that has ended, within the start window."""
    schedule.timer = None
    if schedule.state != "active" or _running_job(state, schedule) is not None:
        return
    due = schedule.due or state.clock.now()
    if not _missed(state, schedule, due):
        _make_job(state, schedule)
    interval = _configuration(schedule).get("recurrenceInterval")
    if interval is None:
        schedule.due = None
        schedule.resource["executionInfo"].pop("nextRunTime", None)
        schedule_changed(state, schedule)
        return
    following = due + timedelta(seconds=seconds(interval))
    _plan(state, schedule, following)


def _missed(state: State, schedule: Schedule, due: datetime) -> bool:
    window = _configuration(schedule).get("startWindow")
    return window is not None and state.clock.now() > due + timedelta(seconds=seconds(window))


def _make_job(state: State, schedule: Schedule) -> None:
    schedule.runs += 1
    job_id = f"{schedule.id}:job-{schedule.runs}"
    schedule.jobs.append(job_id)
    job = creation.new_job(state, {**schedule.resource["jobSpecification"], "id": job_id}, schedule_id=schedule.id)
    schedule.resource["executionInfo"]["recentJob"] = {"id": job_id, "url": job.resource["url"]}


def _complete(state: State, schedule: Schedule) -> None:
    pause(schedule)
    schedule.resource["executionInfo"]["endTime"] = state.stamp()
    schedule.resource["executionInfo"].pop("nextRunTime", None)
    _enter(state, schedule, "completed")
    auto_pools.release(state, schedule.id)


def _forget(state: State, schedule: Schedule) -> None:
    state.schedules.pop(schedule.id.lower(), None)
    auto_pools.release(state, schedule.id)
    state.store.changed("schedule", schedule.id.lower(), None)


def _running_job(state: State, schedule: Schedule) -> Job | None:
    for job_id in reversed(schedule.jobs):
        job = state.jobs.get(job_id.lower())
        if job is not None and job.state not in {"completed", "deleting"}:
            return job
    return None


def _configuration(schedule: Schedule) -> JsonObject:
    configuration: JsonObject = schedule.resource.get("schedule") or {}
    return configuration


def _enter(state: State, schedule: Schedule, name: str) -> None:
    transition(schedule.resource, name, state.stamp())
    schedule_changed(state, schedule)
