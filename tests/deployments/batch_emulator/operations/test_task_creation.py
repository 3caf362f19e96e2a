"""Tasks as they are added: what is refused, what is filled in, and collections of them."""

from typing import Any

from tests.deployments.batch_emulator.emulated import Emulated, on_emulator


@on_emulator
async def test_retries_are_those_of_the_job_unless_the_task_says(batch: Emulated) -> None:
    batch.job(constraints={"maxTaskRetryCount": 4})
    batch.task("inherits")
    batch.task("decides", constraints={"maxTaskRetryCount": 1})
    assert batch.shown("inherits")["constraints"]["maxTaskRetryCount"] == 4
    assert batch.shown("decides")["constraints"] == {
        "maxWallClockTime": "P10675199DT2H48M5.4775807S",
        "retentionTime": "P7D",
        "maxTaskRetryCount": 1,
    }


@on_emulator
async def test_ids_are_one_whatever_their_case(batch: Emulated) -> None:
    batch.job("Job")
    batch.task("Task", "JOB")
    assert batch.shown("TASK", "job")["id"] == "Task"
    assert batch.refused("create_task", {"id": "tASK", "commandLine": "simulate"}, jobId="job") == "TaskExists"


@on_emulator
async def test_a_collection_judges_each_task_by_itself(batch: Emulated) -> None:
    batch.job()
    batch.task("there")
    bodies = [
        {"id": "there", "commandLine": "x"},
        {"id": "new", "commandLine": "x"},
        {"id": "no/good", "commandLine": "x"},
    ]
    results = batch.do("create_task_collection", {"value": bodies}, jobId="j")["value"]
    assert [each["status"] for each in results] == ["ClientError", "Success", "ClientError"]
    assert results[0]["error"]["code"] == "TaskExists"
    assert results[1]["location"].endswith("/jobs/j/tasks/new")
    assert results[1]["eTag"] == batch.shown("new")["eTag"]
    assert results[2]["error"]["code"] == "InvalidPropertyValue"
    assert set(batch.states()) == {"there", "new"}


@on_emulator
async def test_only_constraints_of_a_task_can_be_replaced(batch: Emulated) -> None:
    batch.job()
    batch.task(constraints={"maxTaskRetryCount": 3, "maxWallClockTime": "PT1H"})
    batch.do("replace_task", {"constraints": {"maxWallClockTime": "PT2H"}}, jobId="j", taskId="t")
    assert batch.shown()["constraints"] == {
        "maxWallClockTime": "PT2H",
        "retentionTime": "P7D",
        "maxTaskRetryCount": 0,
    }


@on_emulator
async def test_what_a_job_does_not_allow_is_refused(batch: Emulated) -> None:
    batch.job()
    depends = {"id": "t", "commandLine": "x", "dependsOn": {"taskIds": ["other"]}}
    acts = {"id": "t", "commandLine": "x", "exitConditions": {"default": {"jobAction": "terminate"}}}
    satisfies = {"id": "t", "commandLine": "x", "exitConditions": {"default": {"dependencyAction": "satisfy"}}}
    assert batch.refused("create_task", depends, jobId="j") == "TaskDependenciesNotSpecifiedOnJob"
    assert batch.refused("create_task", acts, jobId="j") == "InvalidPropertyValue"
    assert batch.refused("create_task", satisfies, jobId="j") == "InvalidPropertyValue"
    batch.job("long", usesTaskDependencies=True)
    many = {"id": "t", "commandLine": "x", "dependsOn": {"taskIds": ["i" * 64] * 1001}}
    assert batch.refused("create_task", many, jobId="long") == "TaskDependencyListTooLong"


@on_emulator
async def test_container_tasks_fail_on_nodes_without_containers_and_the_reverse(batch: Emulated) -> None:
    """The service accepts them (its SDK's suite relies on that); the node ends them before anything runs."""
    machine = {**_MACHINE, "containerConfiguration": {"type": "dockerCompatible", "containerImageNames": ["etl:1"]}}
    await batch.pool("plain", wait=0)
    await batch.pool("containers", virtualMachineConfiguration=machine)
    contained: dict[str, Any] = {"containerSettings": {"imageName": "etl:1"}, "constraints": {"maxTaskRetryCount": 3}}
    for pool in ("plain", "containers"):
        batch.job(pool, pool)
        batch.task("process", pool)
        batch.task("contained", pool, **contained)
    await batch.advance(40)
    assert _failures(batch, "plain") == {"process": None, "contained": "ContainerPoolNotSupported"}
    assert _failures(batch, "containers") == {"process": "ContainerTaskSettingsNotFound", "contained": None}
    assert "startTime" not in batch.shown("contained", "plain")["executionInfo"]


def _failures(batch: Emulated, job_id: str) -> dict[str, str | None]:
    """Why each of the tasks failed, all of which have ended."""
    tasks = batch.do("list_tasks", jobId=job_id)
    assert {task["state"] for task in tasks} == {"completed"}
    return {task["id"]: task["executionInfo"].get("failureInfo", {}).get("code") for task in tasks}


@on_emulator
async def test_an_image_that_cannot_be_fetched_ends_the_task(batch: Emulated) -> None:
    machine = {**_MACHINE, "containerConfiguration": {"type": "dockerCompatible"}}
    await batch.pool(virtualMachineConfiguration=machine)
    batch.job()
    batch.inject("image_pull_failed", task="wrong", message="unauthorized: authentication required")
    for name in ("wrong", "right"):
        batch.task(name, containerSettings={"imageName": "etl:1"}, constraints={"maxTaskRetryCount": 3})
    await batch.advance(30)
    assert batch.shown("right")["executionInfo"]["result"] == "success"
    execution = batch.shown("wrong")["executionInfo"]
    assert (execution["failureInfo"]["code"], execution["retryCount"]) == ("ContainerInvalidImage", 0)
    assert "unauthorized" in execution["failureInfo"]["details"][1]["value"]


_MACHINE = {
    "imageReference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"},
    "nodeAgentSKUId": "batch.node.ubuntu 22.04",
}


@on_emulator
async def test_a_resource_file_has_one_source(batch: Emulated) -> None:
    batch.job()
    two = [{"httpUrl": "http://x/y", "autoStorageContainerName": "c", "filePath": "f"}]
    body = {"id": "t", "commandLine": "x", "resourceFiles": two}
    assert batch.refused("create_task", body, jobId="j") == "InvalidPropertyValue"
    assert (
        batch.refused("create_task", {**body, "resourceFiles": [{"filePath": "f"}]}, jobId="j")
        == "InvalidPropertyValue"
    )
