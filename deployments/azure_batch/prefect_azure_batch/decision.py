"""What is done for a flow run: by what Prefect says of it, and what Batch says of the tasks of its attempts.

An attempt begins when the run is taken from its queue, which makes it Pending, and has a task of its own. Whoever works
for the pool observes, asks `decide`, and carries out; nothing else decides. Nothing here knows a client or a clock.

    the run is                      the attempt's task             what is done
    ------------------------------  -----------------------------  ------------------------------------------------
    in whatever state               alive, of an older attempt     End
    final, deleted                  waiting                        End
                                    running                        End, after its grace
    scheduled again, suspended      alive                          End, after its grace; it usually ends by itself
    being cancelled                 waiting                        End, Cancel
                                    running                        End, Cancel, after its grace
                                    ended, or none                 Cancel
    pending, running, paused        alive                          Watch
                                    ended well, a moment ago       Watch: its last state may be on its way
                                    ended, and it goes on          Watch: on a node that Batch has lost sight of
                                      elsewhere
                                    ended                          Crash, with the reason
    waiting for a retry in its      alive                          Watch
      process                       ended well                     HandOut: the process gave it back
                                    ended badly                    Crash, with the reason
    pending                         none, its worker is gone       Submit
                                    none, its script is gone       Crash
    running, paused, waiting for a  none, though it had one        Crash
      retry in its process

A task that has ended and of which nothing is left to say is not watched any longer: Forget. A run has a slot of its
worker's limit as long as the worker submits it or watches one of its tasks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal, NamedTuple

Status = Literal["deleted", "scheduled", "pending", "running", "cancelling", "paused", "suspended", "final"]
_OVER = frozenset({"final", "deleted"})


@dataclass(frozen=True)
class Run:
    """`attempt`: how many times it was taken from its queue, or at least so many. `seconds`: in its state.

    `ad_hoc`: its script or notebook submits it. `placed`: it was in Batch, in whichever attempt. `completed`: its task
    may still upload what it has written.
    """

    status: Status
    attempt: int = 1
    seconds: float = 0.0
    retries_in_process: bool = False
    ad_hoc: bool = False
    placed: bool = False
    completed: bool = False


@dataclass(frozen=True)
class Task:
    """`seconds`: since it ended. `elsewhere`: Batch began it again, and its first execution is alive all the same."""

    phase: Literal["waiting", "running", "ended"]
    seconds: float = 0.0
    succeeded: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class Patience:
    """In seconds: after a cancellation or the run's end; after an exit without a word; for a worker to say where a run
    is; for a script to upload what it runs; for a task to upload what it has written."""

    grace: float
    silent_exit: float
    submission: float
    bundle: float
    outputs: float = 900.0


class Do(Enum):
    WATCH = auto()
    FORGET = auto()
    END = auto()
    CANCEL = auto()
    CRASH = auto()
    SUBMIT = auto()
    HAND_OUT = auto()


class Action(NamedTuple):
    """What is done, and for which attempt."""

    do: Do
    attempt: int


def decide(run: Run, tasks: Mapping[int, Task], patience: Patience, *, abandoned: bool = False) -> list[Action]:
    """What is to be done now, in this order; asked again later, when something has changed or time has passed.

    `tasks` by their attempts; `abandoned`: they are all that there are, and no worker that lives cares for the run.
    """
    actions = [Action(do, attempt) for attempt, task in tasks.items() for do in _for(run, attempt, task, patience)]
    if abandoned and not any(attempt >= run.attempt for attempt in tasks):
        actions += [Action(do, run.attempt) for do in _without_task(run, patience)]
    return actions


def _for(run: Run, attempt: int, task: Task, patience: Patience) -> Iterator[Do]:
    ended = task.phase == "ended"
    gone_on = run.status in _OVER or run.status == "suspended" or _is_queued(run)
    if attempt < run.attempt or gone_on:
        if ended:
            yield Do.FORGET
        elif attempt < run.attempt or (task.phase == "waiting" and run.status in _OVER):
            yield Do.END
        else:
            yield Do.END if run.seconds >= _grace(run, patience) else Do.WATCH
    elif run.status == "cancelling":
        if not ended and (task.phase == "waiting" or run.seconds >= patience.grace):
            yield from (Do.END, Do.CANCEL)
        else:
            yield from (Do.CANCEL, Do.FORGET) if ended else (Do.WATCH,)
    elif not ended or task.elsewhere or (task.succeeded and task.seconds < patience.silent_exit):
        yield Do.WATCH
    elif run.status == "scheduled" and task.succeeded:
        yield from (Do.HAND_OUT, Do.FORGET)
    else:
        yield from (Do.CRASH, Do.FORGET)


def _without_task(run: Run, patience: Patience) -> Iterator[Do]:
    if run.seconds < (patience.bundle if run.ad_hoc else patience.submission):
        return
    if run.status == "cancelling":
        yield Do.CANCEL
    elif run.status == "pending":
        yield Do.CRASH if run.ad_hoc else Do.SUBMIT
    elif run.placed and run.status in {"running", "paused", "scheduled"} and not _is_queued(run):
        yield Do.CRASH


def _is_queued(run: Run) -> bool:
    return run.status == "scheduled" and not run.retries_in_process


def _grace(run: Run, patience: Patience) -> float:
    if run.status == "deleted":
        return 0.0
    return max(patience.grace, patience.outputs) if run.completed else patience.grace
