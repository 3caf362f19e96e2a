"""The states of a job, and what the end of its tasks does to it.

active <-> disabling, disabled, enabling      active -> terminating -> completed      any -> deleting -> gone
"""

from collections.abc import Callable

from azure_batch_emulator.control.clock import cancel
from azure_batch_emulator.engine.model import Ending, Job, Task
from azure_batch_emulator.engine.persistence import job_changed, task_key
from azure_batch_emulator.engine.pools import auto_pools
from azure_batch_emulator.engine.state import State, transition
from azure_batch_emulator.engine.tasks import job_preparation, task_files
from azure_batch_emulator.engine.tasks import lifecycle as tasks
from azure_batch_emulator.protocol.times import finite, moment

_DISABLE = {"requeue": Ending.REQUEUED, "terminate": Ending.TERMINATED}


def begin(state: State, job: Job) -> None:
    """What a job does from its creation on: it takes its pool, and its time runs."""
    auto_pools.attach(state, job)
    state.wake_for(job)
    watch_wall_clock(state, job)
    complete_if_done(state, job)
    job_changed(state, job)


def watch_wall_clock(state: State, job: Job) -> None:
    cancel(job.wall_clock)
    limit = finite(job.resource["constraints"]["maxWallClockTime"])
    if limit is not None and job.state not in {"completed", "terminating", "deleting"}:
        age = (state.clock.now() - moment(job.resource["creationTime"])).total_seconds()
        job.wall_clock = state.clock.call_later(limit - age, lambda: terminate(state, job, "MaxWallClockTimeExpiry"))


def task_completed(state: State, task: Task) -> None:
    job = task.job
    if job.state != "active":
        return
    if task.is_manager and job.resource["jobManagerTask"].get("killJobOnCompletion", True):
        terminate(state, job, "JMComplete")
        return
    action = tasks.action_of(task).lower()
    if action == "terminate":
        terminate(state, job, "TaskFailed")
    elif action == "disable":
        disable(state, job, "requeue")
    else:
        complete_if_done(state, job)


def task_deleted(state: State, task: Task) -> None:
    task_files.remove(state, task)
    complete_if_done(state, task.job)


def complete_if_done(state: State, job: Job) -> None:
    """A job that ends with its tasks has ended when there is none left, also when there never was one."""
    if job.state == "active" and job.open_tasks == 0 and job.resource["onAllTasksComplete"] == "terminatejob":
        terminate(state, job, "AllTasksComplete")


def terminate(state: State, job: Job, reason: str) -> None:
    """Ends what runs; tasks that never ran stay active. Completed after a while, and after the release tasks."""
    if job.state in {"terminating", "completed", "deleting"}:
        return
    _overtake(job)
    _enter(state, job, "terminating")
    job.resource["executionInfo"]["terminateReason"] = reason
    for task in list(job.assigned):
        tasks.end(state, task, Ending.TERMINATED)
    _finish_later(state, job, state.timings.job_ending, lambda: _complete(state, job))


def delete(state: State, job: Job) -> None:
    _overtake(job)
    _enter(state, job, "deleting")
    for task in list(job.assigned):
        tasks.end(state, task, Ending.TERMINATED)
    fault = state.faults.draw("delete_lingers", job=job.id)
    lingering = (fault.seconds or 0.0) if fault is not None else 0.0
    _finish_later(state, job, state.timings.deleting + lingering, lambda: _forget(state, job))


def disable(state: State, job: Job, option: str) -> None:
    """Running tasks are requeued, terminated, or waited for; then the job is disabled."""
    _overtake(job)
    _enter(state, job, "disabling")
    if option.lower() in _DISABLE:
        for task in list(job.assigned):
            tasks.end(state, task, _DISABLE[option.lower()])
    _when_idle(job, lambda: _later(state, job, state.timings.disabling, lambda: _enter(state, job, "disabled")))


def enable(state: State, job: Job) -> None:
    _overtake(job)
    _enter(state, job, "enabling")
    _later(state, job, state.timings.enabling, lambda: _activate(state, job))


def job_idle(job: Job) -> None:
    if job.when_idle is not None and not job.assigned:
        then, job.when_idle = job.when_idle, None
        then()


def resume(state: State, job: Job) -> None:
    """After a restart of the emulator: goes on with what was going on."""
    watch_wall_clock(state, job)
    if job.state == "terminating":
        _finish_later(state, job, state.timings.job_ending, lambda: _complete(state, job))
    elif job.state == "deleting":
        _finish_later(state, job, state.timings.deleting, lambda: _forget(state, job))
    elif job.state == "disabling":
        _later(state, job, state.timings.disabling, lambda: _enter(state, job, "disabled"))
    elif job.state == "enabling":
        _later(state, job, state.timings.enabling, lambda: _activate(state, job))


def _finish_later(state: State, job: Job, seconds: float, then: Callable[[], None]) -> None:
    """After so long, with nothing running any more, and its nodes released."""
    cancel(job.wall_clock)

    def released() -> None:
        if not job_preparation.release(state, job, then):
            then()

    _later(state, job, seconds, lambda: _when_idle(job, released))


def _complete(state: State, job: Job) -> None:
    if job.state != "terminating":
        return
    _enter(state, job, "completed")
    job.resource["executionInfo"]["endTime"] = state.stamp()
    auto_pools.release(state, job.id)
    if job.schedule_id is not None:
        state.hooks.job_completed(job)


def _forget(state: State, job: Job) -> None:
    del state.jobs[job.id.lower()]
    task_files.remove_all(state, job)
    for task in job.tasks.values():
        state.store.changed("task", task_key(task), None)
    state.store.changed("job", job.id.lower(), None)
    auto_pools.release(state, job.id)
    if job.schedule_id is not None:
        state.hooks.job_completed(job)


def _activate(state: State, job: Job) -> None:
    _enter(state, job, "active")
    state.wake_for(job)
    complete_if_done(state, job)


def _overtake(job: Job) -> None:
    """What was to come of an earlier operation does not come."""
    job.when_idle = None
    cancel(job.timer)


def _enter(state: State, job: Job, name: str) -> None:
    transition(job.resource, name, state.stamp())
    job_changed(state, job)


def _when_idle(job: Job, then: Callable[[], None]) -> None:
    job.when_idle = then
    job_idle(job)


def _later(state: State, job: Job, seconds: float, then: Callable[[], None]) -> None:
    job.timer = state.clock.call_later(seconds, then)
