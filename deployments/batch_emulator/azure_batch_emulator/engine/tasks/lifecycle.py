"""The states of a task: in line, running, over, and back in line again.

active -> preparing -> running -> completed
   ^__________|___________|   by a retry, a requeue, or the loss of the node
"""

from azure_batch_emulator.control.clock import cancel
from azure_batch_emulator.engine.model import Ending, Task
from azure_batch_emulator.engine.persistence import task_changed, task_key
from azure_batch_emulator.engine.state import State, transition
from azure_batch_emulator.engine.tasks.execution_info import record
from azure_batch_emulator.engine.tasks.exit_conditions import exit_options, satisfies
from azure_batch_emulator.execution.executor import Outcome, user_error
from azure_batch_emulator.protocol.call import JsonObject

ENDED_BY_USER = "Task Was Ended by User Request"
ENDED_BY_WALL_CLOCK = "Task Was Ended because it exceeded its maximum wall clock time"
# What a process ended by SIGKILL leaves. The documented code of an expired wall clock is Windows' 0xC000013A.
_KILLED = {"linux": 137, "windows": -1073741510}


def enqueue(state: State, task: Task) -> None:
    """Puts an active task in line if nothing that it depends on is missing."""
    if task.waiting_for or task.state != "active" or task.node is not None:
        return
    task.job.put_in_line(task)
    state.wake_for(task.job)


def depend(task: Task, ids: set[str]) -> None:
    """Has the task wait for others of its job, of which some may be done and some may not exist yet."""
    for task_id in ids:
        other = task.job.tasks.get(task_id)
        if other is None or other.state != "completed" or not satisfies(other.resource):
            task.waiting_for.add(task_id)
            task.job.dependents.setdefault(task_id, []).append(task)


def end(state: State, task: Task, ending: Ending, reason: str = ENDED_BY_USER) -> None:
    """Ends an execution; a task without one is over at once, or stays in line."""
    if task.run is not None:
        if task.ending is None or ending is Ending.DELETED:
            task.ending, task.reason = ending, reason
            task.run.cancel()
    elif ending is Ending.TERMINATED:
        task.ready = False
        task.resource["nodeInfo"] = {}
        complete(state, task, Outcome(None, user_error("TaskEnded", reason)))


def settle(state: State, task: Task, outcome: Outcome) -> None:
    """After an execution has ended and its slots are free again: what becomes of the task."""
    ending, task.ending = task.ending, None
    cancel(task.wall_clock)
    task.wall_clock = None
    if ending is Ending.DELETED:
        return
    if ending in {Ending.REQUEUED, Ending.LOST}:
        _requeue(state, task, counted=ending is Ending.REQUEUED)
    elif ending in {Ending.TERMINATED, Ending.WALL_CLOCK}:
        complete(state, task, Outcome(_exit_code_of_killed(task, outcome), user_error("TaskEnded", task.reason)))
    elif _may_retry(task, outcome):
        _retry(state, task)
    else:
        complete(state, task, outcome)


def complete(state: State, task: Task, outcome: Outcome) -> None:
    now = state.stamp()
    record(task.resource["executionInfo"], outcome, now)
    transition(task.resource, "completed", now)
    task.job.open_tasks -= 1
    task.job.failed_tasks += _failed(task)
    task_changed(state, task)
    _release_dependents(state, task)
    state.hooks.task_completed(task)


def reactivate(state: State, task: Task) -> None:
    """A failed task runs again, with its counters at zero."""
    task.job.open_tasks += 1
    task.job.failed_tasks -= 1
    task.resource["executionInfo"] = {"retryCount": 0, "requeueCount": 0}
    task.resource.pop("nodeInfo", None)
    transition(task.resource, "active", state.stamp())
    state.touch(task.resource)
    enqueue(state, task)
    task_changed(state, task)


def requeue_after_restart(state: State, task: Task) -> None:
    """What ran when the emulator stopped was interrupted as by a reboot of its node."""
    _requeue(state, task, counted=True)


def forget(state: State, task: Task) -> None:
    """Takes a deleted task out of its job."""
    if task.state == "completed":
        task.job.failed_tasks -= _failed(task)
    else:
        task.job.open_tasks -= 1
    task.ready = False
    end(state, task, Ending.DELETED)
    del task.job.tasks[task.id.lower()]
    state.store.changed("task", task_key(task), None)


def action_of(task: Task) -> str:
    """What the end of this task does to its job: none, disable or terminate."""
    return str(exit_options(task.resource, task.job.resource).get("jobAction", "none"))


def _requeue(state: State, task: Task, *, counted: bool) -> None:
    now = state.stamp()
    execution = _run_again(task)
    if counted:
        execution["requeueCount"] += 1
        execution["lastRequeueTime"] = now
    _activate(state, task, now)


def _retry(state: State, task: Task) -> None:
    now = state.stamp()
    execution = _run_again(task)
    execution["retryCount"] += 1
    execution["lastRetryTime"] = now
    _activate(state, task, now)


def _run_again(task: Task) -> JsonObject:
    execution: JsonObject = task.resource["executionInfo"]
    for name in ("startTime", "endTime", "exitCode", "containerInfo", "failureInfo", "result"):
        execution.pop(name, None)
    task.resource.pop("nodeInfo", None)
    return execution


def _activate(state: State, task: Task, now: str) -> None:
    if task.state != "active":
        transition(task.resource, "active", now)
    enqueue(state, task)
    task_changed(state, task)


def _may_retry(task: Task, outcome: Outcome) -> bool:
    """Only exits count: what fails before the command starts, or when its output is stored, is not tried again."""
    if outcome.failure is not None or not outcome.exit_code:
        return False
    allowed = int(task.resource["constraints"]["maxTaskRetryCount"])
    return allowed == -1 or int(task.resource["executionInfo"]["retryCount"]) < allowed


def _exit_code_of_killed(task: Task, outcome: Outcome) -> int | None:
    if "startTime" not in task.resource["executionInfo"]:
        return None
    windows = "\\" in task.resource.get("nodeInfo", {}).get("taskRootDirectory", "")
    return outcome.exit_code or _KILLED["windows" if windows else "linux"]


def _release_dependents(state: State, task: Task) -> None:
    if not satisfies(task.resource):
        return
    for dependent in task.job.dependents.pop(task.id.lower(), []):
        dependent.waiting_for.discard(task.id.lower())
        enqueue(state, dependent)


def _failed(task: Task) -> bool:
    return bool(task.resource["executionInfo"]["result"] == "failure")
