"""Whether a flow run is (still) to be executed here.

Batch starts a task again when its node was preempted or lost. What the task executes may have ended meanwhile, or go on
on a node that Batch lost sight of. Whether it does is told by the heartbeats that its process sends to Prefect.
"""

import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NoReturn

from batch_launcher.api_calls import ApiCalls, connect
from batch_launcher.attempts import LABEL
from batch_launcher.exit_codes import ExitCode, Refusal
from batch_launcher.prefect_api import FlowRun, FlowRunApi
from batch_launcher.task_environment import TaskEnvironment, read_task_environment

_ON_ITS_WAY = timedelta(seconds=5)  # so long the last heartbeat of a process that died may take to the server
_SECONDS_BETWEEN_LOOKS = 3.0
_FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


def ask(environment: Mapping[str, str]) -> None:
    """Returns if the flow run is to be executed by this process, and raises Refusal if not."""
    task = read_task_environment(environment)
    if task.policy == "always":
        return
    with connect(environment) as client:
        decide(FlowRunApi(ApiCalls(client, task.patience), task.flow_run_id), task)


def decide(api: FlowRunApi, task: TaskEnvironment, sleep: Callable[[float], None] = time.sleep) -> None:
    """Returns if the flow run is to be executed by this process, and raises Refusal if not.

    What was begun by an execution that is dead ends as `task.policy` says. Marks the flow run with this execution."""
    run = api.read()
    _leave_if_settled(api, run)
    _leave_to_present_attempt(api, task)
    if run.state_type != "PENDING" or _was_begun(run, task):
        # Also when it was this task on this node: what runs the flow may outlive the process that Batch has seen end.
        _await_silence(api, run, task.stale_after, sleep)
        _leave_to_present_attempt(api, task)
        _go_on_after(api, run.labels.get(LABEL), task)
    if task.execution:
        api.set_label(LABEL, task.execution)


def _leave_if_settled(api: FlowRunApi, run: FlowRun) -> None:
    if run.state_type == "CANCELLING":
        api.set_state("CANCELLED", "Cancelled before it was executed by this Batch task.")
        _leave("was being cancelled; it is Cancelled now")
    if run.state_type in _FINAL:
        _leave(f"is {run.state_name} already")
    if run.state_type == "PAUSED" and run.suspended:
        _leave("is suspended, and submitted again when it is resumed")
    if run.state_type == "SCHEDULED" and not run.retries_in_process:
        _leave(f"is {run.state_name}: a worker submits it again")


def _leave_to_present_attempt(api: FlowRunApi, task: TaskEnvironment) -> None:
    """Batch starts a task again whatever has become of its run, which may have been handed out once more."""
    if task.attempt is not None and (present := api.present_attempt()) > task.attempt:
        _leave(f"was handed out again: this is the task of attempt {task.attempt}, and attempt {present} has its own")


def _was_begun(run: FlowRun, task: TaskEnvironment) -> bool:
    """Whether this task was permitted to execute the run on another node, which has not said Running yet."""
    node, _, earlier = str(run.labels.get(LABEL, "")).partition("/")
    mine, _, this = task.execution.partition("/")
    return bool(earlier) and earlier == this and node != mine


def _await_silence(api: FlowRunApi, first: FlowRun, stale_after: float, sleep: Callable[[float], None]) -> None:
    """Returns once nothing has been heard for `stale_after` seconds."""
    run, said = first, False
    begun = first.now if first.state_type == "PENDING" else None  # when is not known: at most now
    while True:
        heartbeat = api.last_heartbeat()
        alive = heartbeat is not None and heartbeat > first.now + _ON_ITS_WAY
        if alive or run.since > first.now + _ON_ITS_WAY or run.labels.get(LABEL) != first.labels.get(LABEL):
            raise Refusal(
                ExitCode.EXECUTING_ELSEWHERE,
                f"The flow run is being executed elsewhere ({run.labels.get(LABEL) or 'place unknown'}): its last sign "
                f"of life was at {max(run.since, heartbeat or run.since):%H:%M:%S} UTC.",
            )
        left = stale_after - _silence(run, heartbeat, begun)
        if left <= 0:
            return
        if not said:
            _say(f"the flow run is {run.state_name}; waiting up to {left:.0f} seconds for a sign of life of it")
            said = True
        sleep(min(left, _SECONDS_BETWEEN_LOOKS))
        run = api.read()
        _leave_if_settled(api, run)
        if run.state_type == "PENDING" and first.state_type != "PENDING":
            _leave("was submitted again")


def _silence(run: FlowRun, heartbeat: datetime | None, begun: datetime | None) -> float:
    return (run.now - max(run.since, heartbeat or run.since, begun or run.since)).total_seconds()


def _go_on_after(api: FlowRunApi, earlier: object, task: TaskEnvironment) -> None:
    story = f"An earlier execution ({earlier or 'place unknown'}) shows no sign of life; Batch started the task again"
    if task.policy == "crash":
        message = f"{story} ({task.execution}), and AZURE_BATCH_ON_REQUEUE is crash."
        api.set_state("CRASHED", message)
        raise Refusal(ExitCode.SECOND_EXECUTION, f"{message} The flow run is Crashed.")
    message = f"{story} ({task.execution}), and the flow run is executed again from its beginning."
    _say(message)
    api.log(message)


def _leave(why: str) -> NoReturn:
    raise Refusal(ExitCode.NOTHING_TO_EXECUTE, f"Nothing to execute: the flow run {why}.")


def _say(message: str) -> None:
    sys.stderr.write(f"batch-launcher: {message}\n")
