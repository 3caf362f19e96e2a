"""Which task runs where and when: slots, priorities, fill types, dependencies."""

from tests.deployments.batch_emulator.emulated import Emulated, on_emulator

READY = 1  # seconds until a task that finds a free slot runs


@on_emulator
async def test_slots_are_shared_and_never_exceeded(batch: Emulated) -> None:
    await batch.pool(taskSlotsPerNode=4)
    batch.job()
    batch.task("two", requiredSlots=2)
    batch.task("three", requiredSlots=3)
    batch.task("one", requiredSlots=1)
    batch.task("never", requiredSlots=5)
    await batch.advance(READY)
    assert batch.states() == {"two": "running", "three": "active", "one": "running", "never": "active"}
    assert batch.nodes()[0]["runningTaskSlotsCount"] == 3
    counts = batch.do("get_job_task_counts", jobId="j")
    assert counts["taskCounts"] == {"active": 2, "running": 2, "completed": 0, "succeeded": 0, "failed": 0}
    assert counts["taskSlotCounts"]["active"] == 8
    await batch.advance(100)
    assert batch.states()["three"] == "completed"
    assert batch.states()["never"] == "active"


@on_emulator
async def test_spread_and_pack(batch: Emulated) -> None:
    for fill, expected in (("spread", [1, 1]), ("pack", [2, 0])):
        policy = {"nodeFillType": fill}
        await batch.pool(fill, targetDedicatedNodes=2, taskSlotsPerNode=2, taskSchedulingPolicy=policy)
        batch.job(f"job-{fill}", fill)
        batch.task("1", f"job-{fill}")
        batch.task("2", f"job-{fill}")
        await batch.advance(READY)
        assert sorted((node["runningTasksCount"] for node in batch.nodes(fill)), reverse=True) == expected
        assert batch.shown_pool(fill)["taskSchedulingPolicy"]["nodeFillType"] == fill.capitalize()


@on_emulator
async def test_jobs_of_higher_priority_go_first_and_no_job_takes_more_than_it_may(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=3)
    batch.job("low", priority=-5)
    batch.job("high", priority=100, maxParallelTasks=2)
    for number in range(4):
        batch.task(str(number), "low")
        batch.task(str(number), "high")
    await batch.advance(READY)
    assert list(batch.states("high").values()).count("running") == 2
    assert list(batch.states("low").values()).count("running") == 1


@on_emulator
async def test_tasks_wait_for_those_they_depend_on(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=4)
    batch.job(usesTaskDependencies=True)
    batch.task("last", dependsOn={"taskIds": ["merge"]})
    batch.task("merge", dependsOn={"taskIdRanges": [{"start": 1, "end": 3}]})
    for number in range(1, 4):
        batch.task(str(number), seconds=10 * number)
    await batch.advance(25)
    assert batch.states() == {"last": "active", "merge": "active", "1": "completed", "2": "completed", "3": "running"}
    await batch.advance(10)
    assert batch.states()["merge"] == "running"
    await batch.advance(30)
    assert set(batch.states().values()) == {"completed"}


@on_emulator
async def test_a_failed_dependency_blocks_unless_its_exit_conditions_say_otherwise(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=4)
    batch.job(usesTaskDependencies=True)
    satisfy = {"exitCodes": [{"code": 7, "exitOptions": {"dependencyAction": "satisfy"}}]}
    batch.task("bad", exit_code=7)
    batch.task("good-enough", exit_code=7, exitConditions=satisfy)
    batch.task("blocked", dependsOn={"taskIds": ["bad"]})
    batch.task("free", dependsOn={"taskIds": ["good-enough"]})
    await batch.advance(60)
    assert batch.states()["blocked"] == "active"
    assert batch.states()["free"] == "completed"


@on_emulator
async def test_a_dependency_that_is_done_already_holds_nothing_up(batch: Emulated) -> None:
    await batch.pool()
    batch.job(usesTaskDependencies=True)
    batch.task("before")
    await batch.advance(30)
    batch.task("after", dependsOn={"taskIds": ["BEFORE"]})
    await batch.advance(30)
    assert batch.states()["after"] == "completed"
