"""The tasks that belong to a job itself: its manager, its preparation and its release."""

from tests.deployments.batch_emulator.emulated import Emulated, on_emulator


@on_emulator
async def test_a_job_manager_goes_first_and_takes_the_job_with_it(batch: Emulated) -> None:
    await batch.pool(taskSlotsPerNode=4)
    batch.job(jobManagerTask={"id": "manager", "commandLine": "simulate --seconds 30"})
    batch.task("worker", seconds=600)
    await batch.advance(10)
    assert batch.states() == {"manager": "running", "worker": "active"}
    await batch.advance(50)
    assert batch.shown_job()["executionInfo"]["terminateReason"] == "JMComplete"
    assert batch.shown_job()["state"] == "completed"


@on_emulator
async def test_a_preparation_runs_once_on_each_node_and_a_release_when_the_job_is_over(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=2)
    batch.job(
        jobPreparationTask={"commandLine": "simulate --seconds 20"},
        jobReleaseTask={"commandLine": "simulate --seconds 30"},
    )
    for number in range(4):
        batch.task(str(number), seconds=5)
    await batch.advance(10)
    assert sorted(batch.states().values()) == ["active", "active", "preparing", "preparing"]
    await batch.advance(30)
    assert set(batch.states().values()) == {"completed"}
    batch.do("_terminate_job_internal", {}, jobId="j")
    await batch.advance(20)
    assert batch.shown_job()["state"] == "terminating"
    await batch.advance(40)
    assert batch.shown_job()["state"] == "completed"
    status = batch.do("list_job_preparation_and_release_task_status", jobId="j")
    assert len(status) == 2
    for each in status:
        assert each["jobPreparationTaskExecutionInfo"]["result"] == "success"
        assert each["jobReleaseTaskExecutionInfo"]["exitCode"] == 0


@on_emulator
async def test_a_failed_preparation_sends_the_task_elsewhere_and_at_last_nowhere(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=2)
    batch.job(jobPreparationTask={"commandLine": "simulate --seconds 10 --exit-code 1"})
    batch.task()
    await batch.advance(300)
    assert batch.states() == {"t": "active"}
    execution = batch.shown()["executionInfo"]
    assert (execution["retryCount"], execution["requeueCount"]) == (0, 0)
    status = batch.do("list_job_preparation_and_release_task_status", jobId="j")
    assert [each["jobPreparationTaskExecutionInfo"]["result"] for each in status] == ["failure", "failure"]
    assert batch.node_states() == ["idle", "idle"]


@on_emulator
async def test_a_job_without_a_preparation_has_no_status_of_it(batch: Emulated) -> None:
    batch.job()
    code = batch.refused("list_job_preparation_and_release_task_status", jobId="j")
    assert code == "JobPreparationTaskNotSpecified"
    body = {"id": "r", "poolInfo": {"poolId": "p"}, "jobReleaseTask": {"commandLine": "x"}}
    assert batch.refused("create_job", body) == "InvalidPropertyValue"
    batch.job("prepares", jobPreparationTask={"id": "same", "commandLine": "x"})
    task = {"id": "same", "commandLine": "x"}
    assert batch.refused("create_task", task, jobId="prepares") == "TaskIdSameAsJobPreparationTask"
