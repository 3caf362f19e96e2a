"""From the service's records to what a person reads: a table, without any service."""

from typing import Any

import pytest
from azure.batch import models

from batch_launcher.exit_codes import ExitCode
from prefect_azure_batch.service.diagnosis import diagnose, why_waiting
from prefect_azure_batch.service.resolutions import BY_EXIT_CODE


def ended(
    failure: tuple[str, str, str] | None = None,
    *,
    exit_code: int | None = None,
    seconds: float = 5.0,
    limit: str = "P10675199DT2H48M5.4775807S",
) -> models.BatchTask:
    info: dict[str, Any] = {
        "startTime": "2026-01-01T00:00:00Z",
        "endTime": f"2026-01-01T00:{int(seconds) // 60:02d}:{seconds % 60:09.6f}Z",
        "retryCount": 0,
        "requeueCount": 0,
        "result": "failure" if failure else "success",
    }
    if exit_code is not None:
        info["exitCode"] = exit_code
    if failure:
        category, code, message = failure
        info["failureInfo"] = {"category": category, "code": code, "message": message}
    constraints = {"maxWallClockTime": limit}
    return models.BatchTask({"id": "t", "state": "completed", "executionInfo": info, "constraints": constraints})


EXIT = ("UserError", "FailureExitCode", "The task process exited with an unexpected exit code")
ENDED = ("UserError", "TaskEnded", "Task Was Ended by User Request")


@pytest.mark.parametrize(
    ("task", "category", "status", "words"),
    [
        (ended(exit_code=0), "success", 0, "ended well"),
        (ended(EXIT, exit_code=137), "exit", 137, "lack of memory"),
        (ended(EXIT, exit_code=127), "exit", 127, "not found"),
        (ended(EXIT, exit_code=3), "exit", 3, "exit code 3 (usererror)"),
        (ended(ENDED), "terminated", -15, "Task Was Ended by User Request"),
        (ended(ENDED, exit_code=137, seconds=60, limit="PT1M"), "time-limit", -15, "time limit of 60 seconds"),
        (ended(ENDED, exit_code=137, seconds=10, limit="PT1M"), "terminated", -15, "terminated"),
        (ended(("UserError", "ContainerInvalidImage", "no such image")), "image", 255, "no such image"),
        (ended(("UserError", "CommandProgramNotFound", "no such program")), "command", 255, "Check the command"),
        (ended(("ServerError", "DiskFull", "no space")), "service", 255, "the service (DiskFull)"),
        (models.BatchTask({"id": "t", "state": "completed"}), "unknown", 255, "says nothing"),
    ],
)
def test_how_a_task_ended(task, category, status, words):
    diagnosis = diagnose(task)
    assert (diagnosis.category, diagnosis.status_code) == (category, status)
    assert words in str(diagnosis)
    assert diagnosis.succeeded == (status == 0)


@pytest.mark.parametrize("code", sorted(set(ExitCode) - {ExitCode.NOTHING_TO_EXECUTE}))
def test_what_each_exit_code_of_the_launcher_asks_a_person_to_do(code):
    diagnosis = diagnose(ended(EXIT, exit_code=code))
    assert diagnosis.resolution == BY_EXIT_CODE[code]
    assert str(int(code)) in diagnosis.summary


def pool(**fields: Any) -> models.BatchPool:
    return models.BatchPool({"id": "nodes", "state": "active", "allocationState": "steady", **fields})


SOME = {
    "currentDedicatedNodes": 2,
    "currentLowPriorityNodes": 0,
    "targetDedicatedNodes": 2,
    "targetLowPriorityNodes": 0,
}
NONE = {
    "currentDedicatedNodes": 0,
    "currentLowPriorityNodes": 0,
    "targetDedicatedNodes": 0,
    "targetLowPriorityNodes": 0,
}
GROWS = {**NONE, "targetDedicatedNodes": 3, "allocationState": "resizing"}
QUOTA = {"resizeErrors": [{"code": "AccountCoreQuotaReached", "message": "The account has no cores left."}]}
BROKEN = models.BatchNode(
    {"id": "tvm-1", "state": "starttaskfailed", "startTaskInfo": {"result": "failure", "exitCode": 9, "retryCount": 0}}
)


def counted(dedicated: dict[str, int], spot: dict[str, int] | None = None) -> models.BatchPoolNodeCounts:
    return models.BatchPoolNodeCounts({"poolId": "nodes", "dedicated": dedicated, "lowPriority": spot or {}})


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (counted({"running": 2}), "all of its 2 nodes are busy."),
        (counted({"unknown": 2}), "of its 2 nodes 2 are unknown."),
        (
            counted({"idle": 1, "unknown": 2}, {"preempted": 1}),
            "of its 4 nodes 1 is idle, 2 are unknown, 1 is preempted.",
        ),
        (counted({"running": 1, "offline": 1}), "of its 2 nodes 1 is busy, 1 is offline (scheduling is disabled)."),
        (counted({"leavingPool": 1}, {"running": 1}), "of its 2 nodes 1 is busy, 1 is leaving."),
        (counted({"creating": 1, "waitingForStartTask": 1}), "of its 2 nodes 2 are starting."),
        (
            counted({"upgradingOS": 1, "startTaskFailed": 1}),
            "1 is starting, 1 is without a start task that ended well.",
        ),
    ],
)
def test_what_the_nodes_do_while_a_task_waits(counts, words):
    assert words in why_waiting(pool(**SOME), counts).text


def test_nodes_of_a_pool_that_grows_may_be_lost_too():
    text = why_waiting(pool(**{**GROWS, "currentDedicatedNodes": 1}), counted({"unknown": 1})).text
    assert "resized: 1 of 3 nodes, of which 1 is unknown." in text


@pytest.mark.parametrize(
    "same",
    [
        [counted({"running": 2}), counted({"running": 1, "idle": 1}), counted({"running": 5})],
        [counted({"unknown": 2}), counted({"unknown": 1, "running": 1}), counted({"unknown": 1, "starting": 1})],
        [counted({"unknown": 1}, {"preempted": 3}), counted({"idle": 2, "unknown": 2}, {"preempted": 1})],
    ],
)
def test_counts_of_nodes_make_no_new_reason(same):
    assert len({why_waiting(pool(**SOME), counts).kind for counts in same}) == 1


def test_nodes_that_are_lost_are_another_reason_than_busy_ones():
    states = ({"running": 2}, {"unknown": 2}, {"preempted": 2}, {"starting": 2})
    assert len({why_waiting(pool(**SOME), counted(one)).kind for one in states}) == 4


@pytest.mark.parametrize(
    ("state", "nodes", "words"),
    [
        (pool(**SOME), (), "it has 2 of 2 nodes"),
        (pool(**GROWS), (), "resized: 0 of 3 nodes"),
        (pool(**NONE), (), "resize it"),
        (pool(**NONE, enableAutoScale=True), (), "formula has not asked"),
        (pool(**GROWS, **QUOTA), (), "AccountCoreQuotaReached: The account has no cores left"),
        (pool(**SOME), (BROKEN,), "node tvm-1 is starttaskfailed (its start task failed, exit code 9)"),
        (pool(**{**SOME, "state": "deleting"}), (), "being deleted"),
    ],
)
def test_why_a_task_waits(state, nodes, words):
    assert words in why_waiting(state, None, nodes).text


def test_only_another_kind_of_reason_is_new():
    growing, grown = pool(**GROWS), pool(**{**GROWS, "currentDedicatedNodes": 2})
    assert why_waiting(growing, None).kind == why_waiting(grown, None).kind
    assert why_waiting(growing, None).kind != why_waiting(pool(**GROWS, **QUOTA), None).kind


def test_a_failure_without_an_exit_code_is_no_success():
    from azure.batch import models  # noqa: PLC0415

    failure = models.BatchTaskFailureInfo({"category": "UserError", "code": "ContainerInvalidImage", "message": "?"})
    info = models.BatchTaskExecutionInfo({"result": "Failure", "failureInfo": failure, "retryCount": 0})
    found = diagnose(models.BatchTask({"id": "x", "state": "completed", "executionInfo": info}))
    assert found.exit_code is None
    assert found.status_code == 255
