"""What survives a restart of the emulator, and how what was going on goes on."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from azure.batch import models

from azure_batch_emulator import store
from azure_batch_emulator.running_emulator import running_emulator
from tests.deployments.batch_emulator.emulated import Emulated
from tests.deployments.batch_emulator.resources import make_job, make_pool, make_task


def test_a_restart_is_like_a_reboot_of_the_nodes(tmp_path: Path) -> None:
    async def before(batch: Emulated) -> None:
        await batch.pool(targetDedicatedNodes=2)
        batch.job(usesTaskDependencies=True, priority=3)
        batch.task("done", seconds=5)
        batch.task("running", seconds=600)
        await batch.advance(20)
        batch.task("behind", seconds=5, dependsOn={"taskIds": ["running"]})
        batch.task("gone")
        batch.do("delete_task", jobId="j", taskId="gone")
        assert batch.states() == {"done": "completed", "running": "running", "behind": "active"}

    async def after(batch: Emulated) -> None:
        assert batch.states() == {"done": "completed", "running": "active", "behind": "active"}
        assert batch.shown("running")["executionInfo"]["requeueCount"] == 1
        assert batch.shown("done")["executionInfo"]["exitCode"] == 0
        assert batch.shown_job()["priority"] == 3
        assert batch.node_states() == ["rebooting", "rebooting"]
        await batch.advance(120)
        assert batch.states()["running"] == "running"
        await batch.advance(700)
        assert set(batch.states().values()) == {"completed"}
        batch.task("new")
        assert batch.shown("new")["eTag"] > batch.shown("behind")["eTag"]

    _twice(tmp_path, before, after)


def test_time_and_etags_go_on_where_they_were(tmp_path: Path) -> None:
    seen: dict[str, str] = {}

    async def before(batch: Emulated) -> None:
        batch.job()
        await batch.advance(30 * 86_400)
        batch.do("update_job", {"priority": 1}, jobId="j")
        seen.update(eTag=batch.shown_job()["eTag"], now=batch.clock.now().isoformat())

    async def after(batch: Emulated) -> None:
        assert batch.clock.now().isoformat() >= seen["now"]
        assert batch.shown_job()["eTag"] == seen["eTag"]
        batch.do("update_job", {"priority": 2}, jobId="j")
        assert batch.shown_job()["eTag"] > seen["eTag"]

    _twice(tmp_path, before, after)


def test_what_was_in_the_middle_of_something_finishes_it(tmp_path: Path) -> None:
    async def before(batch: Emulated) -> None:
        await batch.pool("growing", wait=10)
        await batch.pool("going")
        batch.do("_delete_pool_internal", poolId="going")
        for name in ("terminating", "deleting", "disabling"):
            batch.job(name, "growing")
        batch.do("_terminate_job_internal", {"terminateReason": "Enough"}, jobId="terminating")
        batch.do("_delete_job_internal", jobId="deleting")
        batch.do("_disable_job_internal", {"disableTasks": "requeue"}, jobId="disabling")
        schedule = {"recurrenceInterval": "PT1H"}
        manager = {"id": "m", "commandLine": "simulate --seconds 5"}
        specification = {"poolInfo": {"poolId": "growing"}, "jobManagerTask": manager}
        batch.do("create_job_schedule", {"id": "s", "schedule": schedule, "jobSpecification": specification})
        await batch.advance(1)

    async def after(batch: Emulated) -> None:
        await batch.advance(200)
        assert batch.node_states("growing") == ["idle"]
        assert [pool["id"] for pool in batch.do("list_pools")] == ["growing"]
        assert batch.shown_job("terminating")["state"] == "completed"
        assert batch.shown_job("terminating")["executionInfo"]["terminateReason"] == "Enough"
        assert batch.refused("get_job", jobId="deleting") == "JobNotFound"
        assert batch.shown_job("disabling")["state"] == "disabled"
        await batch.advance(3600)
        jobs = batch.do("list_jobs_from_schedule", jobScheduleId="s")
        assert [job["id"] for job in jobs] == ["s:job-1", "s:job-2"]

    _twice(tmp_path, before, after)


def test_urls_follow_the_address_of_the_emulator(tmp_path: Path) -> None:
    async def before(batch: Emulated) -> None:
        batch.job()
        batch.task()

    async def after(batch: Emulated) -> None:
        assert batch.shown()["url"] == "http://elsewhere:1234/jobs/j/tasks/t"

    asyncio.run(_play(tmp_path, before))
    asyncio.run(_play(tmp_path, after, base_url="http://elsewhere:1234"))


def test_autoscale_goes_on(tmp_path: Path) -> None:
    async def before(batch: Emulated) -> None:
        formula = "$TargetDedicatedNodes = max(0, $PendingTasks.GetSample(1));"
        await batch.pool(enableAutoScale=True, autoScaleFormula=formula, autoScaleEvaluationInterval="PT5M")

    async def after(batch: Emulated) -> None:
        batch.job()
        batch.task()
        await batch.advance(500)
        assert batch.states() == {"t": "completed"}

    _twice(tmp_path, before, after)


def test_a_crash_loses_nothing(tmp_path: Path) -> None:
    with running_emulator(speed=0, state=tmp_path) as emulator, emulator.client() as client:
        make_pool(client)
        emulator.advance("P10D")
        make_job(client)
        make_task(client, "t", "simulate --seconds 600", environment_settings=[_JOBS_CONTAINER])
        emulator.advance("PT1M")
        assert client.get_task("j1", "t").state == "running"
        before = client.get_task("j1", "t")
        emulator.process.kill()
        emulator.process.wait(30)
    with running_emulator(speed=0, state=tmp_path) as emulator, emulator.client() as client:
        task = client.get_task("j1", "t")
        assert task.execution_info is not None
        assert before.execution_info is not None
        assert (task.state, task.execution_info.requeue_count) == ("active", 1)
        assert task.state_transition_time > before.creation_time
        assert task.url == f"{emulator.endpoint}/jobs/j1/tasks/t"
        assert task.environment_settings == [_JOBS_CONTAINER]


def test_a_folder_belongs_to_one_emulator(tmp_path: Path) -> None:
    with running_emulator(state=tmp_path) as first:
        with (
            pytest.raises(RuntimeError, match="Another emulator keeps its state in"),
            running_emulator(state=tmp_path),
        ):
            pass
        assert first.process.poll() is None
    with running_emulator(state=tmp_path):
        pass


def test_what_a_full_disk_refused_is_written_when_there_is_room(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(store, "_AGAIN", 0.0)

    async def before(batch: Emulated) -> None:
        batch.job("first")
        await asyncio.sleep(0)
        with _no_file_grows_beyond(1024):
            for number in range(50):
                batch.job(f"j{number}")
                await asyncio.sleep(0)
            assert "could not be written" in caplog.text
        await asyncio.sleep(0.01)
        batch.job("last")

    async def after(batch: Emulated) -> None:
        assert len(batch.do("list_jobs")) == 52

    _twice(tmp_path, before, after)


@contextmanager
def _no_file_grows_beyond(size: int) -> Iterator[None]:
    """For this process: what a full disk is to it."""
    if sys.platform == "win32":
        pytest.skip("Windows has no limit of that kind")
    import resource  # noqa: PLC0415 - which Windows does not have

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


_JOBS_CONTAINER = models.EnvironmentSetting(name="SOURCE", value="https://account.blob.core.windows.net/jobs/1.csv")

Scenario = Callable[[Emulated], Awaitable[None]]


def _twice(folder: Path, before: Scenario, after: Scenario) -> None:
    asyncio.run(_play(folder, before))
    asyncio.run(_play(folder, after))


async def _play(folder: Path, scenario: Scenario, base_url: str = "http://batch") -> None:
    batch = Emulated(folder / "nodes", state=folder)
    batch.account.base_url = base_url
    batch.account.start()
    await scenario(batch)
    batch.account.base_url = base_url
    await batch.account.close()
