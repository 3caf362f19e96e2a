"""What the service's own records say about a task that ended, and about a pool whose tasks wait. Asks nobody.

`observation.reporter` makes the message of a crashed run of it, with the last lines of output."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from prefect_azure_batch.service.resolutions import BY_EXIT_CODE, BY_SERVICE_CODE, Category

if TYPE_CHECKING:
    from azure.batch import models

_SIGTERM = -15  # as Python's subprocess tells it
# Of the counts of a pool's nodes, in the order in which they are told. Of nodes only those that run tasks are busy.
_STATES = {
    "idle": "idle",
    "running": "busy",
    **dict.fromkeys(
        ("creating", "starting", "waiting_for_start_task", "rebooting", "reimaging", "upgrading_os"), "starting"
    ),
    "unknown": "unknown",
    "offline": "offline (scheduling is disabled)",
    "preempted": "preempted",
    "leaving_pool": "leaving",
    "unusable": "unusable",
    "start_task_failed": "without a start task that ended well",
    "deallocating": "deallocated",
    "deallocated": "deallocated",
}


@dataclass(frozen=True)
class Diagnosis:
    """`detail` is in the service's words; `resolution` may be empty."""

    category: Category
    exit_code: int | None
    summary: str
    detail: str = ""
    resolution: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.summary, self.detail, self.resolution) if part)

    @property
    def succeeded(self) -> bool:
        return self.category == "success"

    @property
    def status_code(self) -> int:
        """0 for success and never else. Prefect adds a hint at the usual cause of some codes to the run's logs: a task
        that was ended from outside has that of SIGTERM, and one without an exit code has 255, which is no known one."""
        if self.succeeded:
            return 0
        return _SIGTERM if self.category in {"terminated", "time-limit"} else self.exit_code or 255


@dataclass(frozen=True)
class Reason:
    """Why tasks wait. Of the same kind as another it need not be told again."""

    kind: str
    text: str


def diagnose(task: "models.BatchTask") -> Diagnosis:
    """How a task that is completed has ended."""
    info = task.execution_info
    if info is None:
        return Diagnosis("unknown", None, "The task ended, and the service says nothing about how.")
    failure, code = info.failure_info, info.exit_code
    if failure is None and lower(info.result) != "failure":
        return Diagnosis("success", code, "The task ended well.") if not code else _exited(code, "", "")
    name = (failure.code if failure else None) or "no code"
    words = _words(failure)
    if lower(name) == "taskended":
        return _ended(task, code, words)
    if category := _category(name, words):
        return Diagnosis(category[0], code, f"The task could not run ({name}).", words, category[1])
    if code:
        return _exited(code, lower(failure.category) if failure else "", words)
    blame = "the service" if failure and lower(failure.category) == "servererror" else "its configuration"
    return Diagnosis("service", code, f"The task failed because of {blame} ({name}).", words)


def gone(task: str) -> Diagnosis:
    """How a task ended that is no longer there."""
    summary = f"The Batch task {task} is gone: it or its job was deleted before it ended."
    return Diagnosis("terminated", None, summary)


def job_ended(job: str, state: str, reason: str) -> Diagnosis:
    """How a task ended that waits in a job which will never run it."""
    summary = f"The task was still waiting when its job {job} ended (now {state}{f', {reason}' if reason else ''})."
    return Diagnosis("terminated", None, summary, "", "Start the run again: it will get another job.")


def held(job: str) -> str:
    """Why no task of a disabled job is executed."""
    return f"Waiting for job {job}, which somebody has disabled: enable it, and its tasks are executed."


def why_waiting(
    pool: "models.BatchPool", counts: "models.BatchPoolNodeCounts | None", broken: "Iterable[models.BatchNode]" = ()
) -> Reason:
    """Why a task of the pool has no node yet: the most serious reason first. `broken` are nodes that run nothing."""
    troubles = [*_troubles(pool), *(broken_node(node) for node in broken)]
    kind, usual = _allocation(pool, _states(counts))
    if lower(pool.state) == "deleting":
        troubles.insert(0, "it is being deleted")
    # Counts of nodes change all the time, and make no new reason.
    return Reason("; ".join(sorted(troubles)) or kind, f"Waiting for pool {pool.id}: {'; '.join([*troubles, usual])}.")


def _allocation(pool: "models.BatchPool", states: Mapping[str, int]) -> tuple[str, str]:
    now, wanted = _nodes(pool)
    lost = sorted(states.keys() - {"idle", "busy", "starting"})
    told = ", ".join(f"{count} {'is' if count == 1 else 'are'} {state}" for state, count in states.items())
    if lower(pool.allocation_state) == "resizing":
        return "starting", f"it is being resized: {now} of {wanted} nodes{f', of which {told}' if lost else ''}"
    if not wanted and pool.enable_auto_scale:
        return "empty", "it has no node; its autoscale formula has not asked for one yet"
    if not wanted:
        return "empty", "it has no node and scales to none: resize it"
    if not states:
        return "busy", f"it has {now} of {wanted} nodes"
    nodes = sum(states.values())
    usual = f"all of its {nodes} nodes are busy" if states.keys() == {"busy"} else f"of its {nodes} nodes {told}"
    # Nodes become idle and busy all the time, which is no other kind.
    return ", ".join(lost) or ("starting" if "starting" in states else "busy"), usual


def broken_node(node: "models.BatchNode") -> str:
    """What is wrong with a node that runs nothing, in the service's words."""
    details = [f"{error.code}: {error.message}".rstrip(".") for error in node.errors or ()]
    info = node.start_task_info
    if info and lower(info.result) == "failure":
        code = "" if info.exit_code is None else f", exit code {info.exit_code}"
        details.append(f"its start task failed{code}")
    return f"node {node.id} is {lower(node.state)}{' (' + '; '.join(details) + ')' if details else ''}"


def lower(text: object) -> str:
    """A value or an enum of the service, whose case varies, in lower case."""
    return str(getattr(text, "value", text) or "").lower()


def _exited(code: int, category: str, words: str) -> Diagnosis:
    of = f" ({category})" if category else ""
    return Diagnosis("exit", code, f"The task ended with exit code {code}{of}.", words, BY_EXIT_CODE.get(code, ""))


def _ended(task: "models.BatchTask", code: int | None, words: str) -> Diagnosis:
    limit = task.constraints.max_wall_clock_time if task.constraints else None
    info = task.execution_info
    took = info.end_time - info.start_time if info and info.start_time and info.end_time else timedelta(0)
    # The service ends it a little early or late; without a limit it reports one of millions of days.
    if limit and took >= limit * 0.98:
        summary = f"The task was ended after its time limit of {limit.total_seconds():g} seconds."
        return Diagnosis("time-limit", code, summary, words, "Raise wall_clock_limit, or make the flow faster.")
    return Diagnosis("terminated", code, "The task was terminated.", words)


def _category(name: str, words: str) -> tuple[Category, str] | None:
    if known := BY_SERVICE_CODE.get(lower(name)):
        return known
    if "image" in lower(name) or "container" in lower(name) or "pull" in words.lower().split():
        return "image", "Check the image, the registry, and that the nodes can reach it."
    return None


def _words(failure: "models.BatchTaskFailureInfo | None") -> str:
    if failure is None:
        return ""
    details = [f"{detail.name}: {detail.value}" for detail in failure.details or () if detail.value]
    return " ".join([f"{failure.code}: {failure.message}".rstrip("."), *details]) + "."


def _troubles(pool: "models.BatchPool") -> list[str]:
    errors = [f"{error.code}: {error.message}".rstrip(".") for error in pool.resize_errors or ()]
    run = pool.auto_scale_run
    if run and run.error:
        errors.append(f"its autoscale formula failed: {run.error.code}: {run.error.message}".rstrip("."))
    return errors


def _nodes(pool: "models.BatchPool") -> tuple[int, int]:
    now = (pool.current_dedicated_nodes or 0) + (pool.current_low_priority_nodes or 0)
    return now, (pool.target_dedicated_nodes or 0) + (pool.target_low_priority_nodes or 0)


def _states(counts: "models.BatchPoolNodeCounts | None") -> dict[str, int]:
    """How many nodes are in each state that any is in."""
    kinds = [kind for kind in (counts.dedicated, counts.low_priority) if kind] if counts else []
    states: Counter[str] = Counter()
    for field, state in _STATES.items():
        states[state] += sum(getattr(kind, field) or 0 for kind in kinds)
    return {state: count for state, count in states.items() if count}
