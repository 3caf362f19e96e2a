"""The table of what is done for a run, row by row; `tests/reliability` searches what comes of it."""

from dataclasses import replace

import pytest

from prefect_azure_batch.decision import Do, Patience, Run, Task, decide

PATIENCE = Patience(grace=60, silent_exit=30, submission=120, bundle=3600, outputs=900)
WAITING, RUNNING, KILLED = Task("waiting"), Task("running"), Task("ended")
WELL, WELL_LONG_AGO = Task("ended", 1, succeeded=True), Task("ended", 31, succeeded=True)
CANCELLING, LONG_CANCELLING = Run("cancelling", seconds=1), Run("cancelling", seconds=61)
RETRYING = Run("scheduled", retries_in_process=True)


@pytest.mark.parametrize(
    ("run", "task", "done"),
    [
        (Run("pending"), WAITING, [Do.WATCH]),
        (Run("running"), RUNNING, [Do.WATCH]),
        (Run("running"), WELL, [Do.WATCH]),
        (Run("running"), WELL_LONG_AGO, [Do.CRASH, Do.FORGET]),
        (Run("running"), KILLED, [Do.CRASH, Do.FORGET]),
        (Run("running"), replace(KILLED, elsewhere=True), [Do.WATCH]),
        (Run("pending"), KILLED, [Do.CRASH, Do.FORGET]),
        (Run("paused"), RUNNING, [Do.WATCH]),
        (Run("paused"), KILLED, [Do.CRASH, Do.FORGET]),
        (CANCELLING, WAITING, [Do.END, Do.CANCEL]),
        (CANCELLING, RUNNING, [Do.WATCH]),
        (LONG_CANCELLING, RUNNING, [Do.END, Do.CANCEL]),
        (CANCELLING, KILLED, [Do.CANCEL, Do.FORGET]),
        (Run("final", seconds=1), WAITING, [Do.END]),
        (Run("final", seconds=1), RUNNING, [Do.WATCH]),
        (Run("final", seconds=61), RUNNING, [Do.END]),
        (Run("final", seconds=61, completed=True), RUNNING, [Do.WATCH]),
        (Run("final", seconds=901, completed=True), RUNNING, [Do.END]),
        (Run("final", seconds=1), KILLED, [Do.FORGET]),
        (Run("deleted"), RUNNING, [Do.END]),
        (Run("deleted"), WAITING, [Do.END]),
        (Run("scheduled", seconds=1), RUNNING, [Do.WATCH]),
        (Run("scheduled", seconds=61), RUNNING, [Do.END]),
        (Run("scheduled"), KILLED, [Do.FORGET]),
        (Run("suspended", seconds=61), RUNNING, [Do.END]),
        (Run("suspended"), WELL, [Do.FORGET]),
        (RETRYING, RUNNING, [Do.WATCH]),
        (RETRYING, WELL_LONG_AGO, [Do.HAND_OUT, Do.FORGET]),
        (RETRYING, KILLED, [Do.CRASH, Do.FORGET]),
    ],
)
def test_what_is_done_for_the_task_of_the_present_attempt(run: Run, task: Task, done: list[Do]) -> None:
    assert [do for do, _ in decide(run, {1: task}, PATIENCE)] == done


@pytest.mark.parametrize("status", ["scheduled", "pending", "running", "cancelling", "paused", "suspended", "final"])
def test_an_older_attempt_is_ended_and_says_nothing(status: str) -> None:
    run = Run(status, attempt=2)  # type: ignore[arg-type]
    assert decide(run, {1: RUNNING}, PATIENCE) == [(Do.END, 1)]
    assert decide(run, {1: KILLED}, PATIENCE) == [(Do.FORGET, 1)]


@pytest.mark.parametrize(
    ("run", "done"),
    [
        (Run("pending", seconds=119), []),
        (Run("pending", seconds=121), [Do.SUBMIT]),
        (Run("pending", seconds=121, placed=True), [Do.SUBMIT]),  # where its last attempt was
        (Run("pending", seconds=121, ad_hoc=True), []),
        (Run("pending", seconds=3601, ad_hoc=True), [Do.CRASH]),
        (Run("cancelling", seconds=121), [Do.CANCEL]),
        (Run("running", seconds=121, placed=True), [Do.CRASH]),
        (Run("running", seconds=121), []),  # it is executed elsewhere
        (replace(RETRYING, seconds=121, placed=True), [Do.CRASH]),
        (Run("scheduled", seconds=121, placed=True), []),  # it is in its queue
        (Run("final", seconds=121, placed=True), []),
    ],
)
def test_what_is_done_for_one_that_has_no_task_and_no_worker(run: Run, done: list[Do]) -> None:
    assert [do for do, _ in decide(run, {}, PATIENCE, abandoned=True)] == done
    assert decide(run, {}, PATIENCE) == []
    older = decide(replace(run, attempt=2), {1: KILLED}, PATIENCE, abandoned=True)
    assert [do for do, attempt in older if attempt == 2] == done
