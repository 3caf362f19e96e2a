"""The real SDK, synchronous and asynchronous, against the emulator: jobs, schedules, tasks and their files."""

import asyncio
import datetime as dt

import pytest
from azure.batch import models as m
from azure.batch.models import CreateTasksError

from tests.deployments.batch_emulator.either import either_client, emulator, error_of, get, kind, server
from tests.deployments.batch_emulator.operations.test_sdk_pools import MACHINE, VM_SIZE, idle_nodes, pool

__all__ = ["emulator", "kind", "server"]

# Pollers of the SDK outlive the call that made them, and their connections the client.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def job(name: str, **options) -> m.BatchJobCreateOptions:
    return m.BatchJobCreateOptions(**{"id": name, "pool_info": m.BatchPoolInfo(pool_id="p"), **options})


def task(name: str, command: str = "simulate --seconds 5", **options) -> m.BatchTaskCreateOptions:
    return m.BatchTaskCreateOptions(id=name, command_line=command, **options)


def test_jobs(emulator, kind) -> None:
    own = m.BatchAutoPoolSpecification(
        pool_lifetime_option=m.BatchPoolLifetimeOption.JOB,
        pool=m.BatchPoolSpecification(vm_size=VM_SIZE, virtual_machine_configuration=MACHINE),
    )
    info = m.BatchPoolInfo(auto_pool_specification=own)

    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            first = job(
                "first",
                pool_info=info,
                job_preparation_task=m.BatchJobPreparationTask(command_line="echo hello"),
                job_release_task=m.BatchJobReleaseTask(command_line="echo goodbye"),
            )
            assert await get(client.create_job(first, ocp_date=dt.datetime.now(dt.UTC))) is None
            replacement = m.BatchJob(
                priority=500, constraints=m.BatchJobConstraints(max_task_retry_count=3), pool_info=info
            )
            assert await get(client.replace_job("first", replacement)) is None
            assert await get(client.update_job("first", m.BatchJobUpdateOptions(priority=900))) is None
            found = await get(client.get_job("first"))
            assert (found.id, found.constraints.max_task_retry_count, found.priority) == ("first", 3, 900)
            assert len(found.execution_info.pool_id) == 36
            second = job(
                "second",
                pool_info=info,
                all_tasks_complete_mode=m.BatchAllTasksCompleteMode.TERMINATE_JOB,
                task_failure_mode=m.BatchTaskFailureMode.PERFORM_EXIT_OPTIONS_JOB_ACTION,
            )
            await get(client.create_job(second))
            found = await get(client.get_job("second"))
            assert found.all_tasks_complete_mode == "terminatejob"
            assert found.task_failure_mode == "performexitoptionsjobaction"
            assert [each.id for each in await get(client.list_jobs())] == ["first", "second"]
            assert await error_of(lambda: client.create_job(job("First"))) == (409, "JobExists")
            await get(client.begin_disable_job("first", m.BatchJobDisableOptions(disable_tasks="requeue")))
            assert (await get(client.get_job("first"))).state in ("disabling", "disabled")
            await get(client.begin_enable_job("first"))
            assert await get(client.list_job_preparation_and_release_task_status("first")) == []
            options = m._models.BatchJobTerminateOptions(termination_reason="enough")
            await get(client.begin_terminate_job("first", options=options))
            assert (await get(client.get_job("first"))).state == "terminating"
            emulator.advance("PT1M")
            found = await get(client.get_job("first"))
            assert (found.state, found.execution_info.termination_reason) == ("completed", "enough")
            await get(client.begin_delete_job("second"))
            emulator.advance("PT1M")
            assert await error_of(lambda: client.get_job("second")) == (404, "JobNotFound")

    asyncio.run(scenario())


def test_schedules(emulator, kind) -> None:
    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            work = m.BatchJobSpecification(
                pool_info=m.BatchPoolInfo(pool_id="p"), constraints=m.BatchJobConstraints(max_task_retry_count=2)
            )
            daily = m.BatchJobScheduleConfiguration(
                start_window=dt.timedelta(hours=1), recurrence_interval=dt.timedelta(days=1)
            )
            created = m.BatchJobScheduleCreateOptions(id="s", schedule=daily, job_specification=work)
            assert await get(client.create_job_schedule(created)) is None
            assert [each.id for each in await get(client.list_job_schedules())] == ["s"]
            found = await get(client.get_job_schedule("s"))
            assert (found.state, found.schedule.recurrence_interval) == ("active", dt.timedelta(days=1))
            assert found.execution_info.recent_job.id == "s:job-1"
            assert await get(client.job_schedule_exists("s"))
            assert (await error_of(lambda: client.job_schedule_exists("none")))[0] == 404
            assert [each.id for each in await get(client.list_jobs_from_schedule("s"))] == ["s:job-1"]
            assert (await get(client.get_job("s:job-1"))).constraints.max_task_retry_count == 2
            assert await error_of(lambda: client.create_job(job("S"))) == (409, "JobScheduleWithSameIdExists")
            assert await get(client.disable_job_schedule("s")) is None
            assert (await get(client.get_job_schedule("s"))).state == "disabled"
            assert await get(client.enable_job_schedule("s")) is None
            hours = m.BatchJobScheduleConfiguration(recurrence_interval=dt.timedelta(hours=10))
            replacement = m.BatchJobSchedule(
                schedule=hours,
                job_specification=m.BatchJobSpecification(pool_info=m.BatchPoolInfo(pool_id="p")),
            )
            assert await get(client.replace_job_schedule("s", replacement)) is None
            five = m.BatchJobScheduleConfiguration(recurrence_interval=dt.timedelta(hours=5))
            assert await get(client.update_job_schedule("s", m.BatchJobScheduleUpdateOptions(schedule=five))) is None
            assert (await get(client.get_job_schedule("s"))).schedule.recurrence_interval == dt.timedelta(hours=5)
            await get(client.begin_terminate_job_schedule("s"))
            emulator.advance("PT1M")
            assert (await get(client.get_job_schedule("s"))).state == "completed"
            await get(client.begin_delete_job_schedule("s"))
            emulator.advance("PT1M")
            assert await error_of(lambda: client.get_job_schedule("s")) == (404, "JobScheduleNotFound")

    asyncio.run(scenario())


def test_tasks_of_all_sorts(emulator, kind) -> None:
    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            await get(client.create_job(job("j", task_failure_mode="performexitoptionsjobaction")))
            conditions = m.ExitConditions(
                exit_codes=[m.ExitCodeMapping(code=1, exit_options=m.ExitOptions(job_action="terminate"))],
                exit_code_ranges=[
                    m.ExitCodeRangeMapping(start=2, end=4, exit_options=m.ExitOptions(job_action="disable"))
                ],
                default=m.ExitOptions(job_action="none"),
            )
            container = m.OutputFileBlobContainerDestination(
                container_url="https://test.blob.core.windows.net:443/test-container", path="taskLogs/output.txt"
            )
            output = m.OutputFile(
                file_pattern="../stdout.txt",
                destination=m.OutputFileDestination(container=container),
                upload_options=m.OutputFileUploadConfiguration(upload_condition="taskcompletion"),
            )
            admin = m.UserIdentity(auto_user=m.AutoUserSpecification(scope="task", elevation_level="admin"))
            image = m.BatchTaskContainerSettings(
                image_name="windows_container:latest",
                registry=m.ContainerRegistryReference(username="username", password="password"),
            )
            for each in (
                task("1", exit_conditions=conditions),
                task("2", output_files=[output, output]),
                task("3", user_identity=admin),
                task("5", container_settings=image),
                task("6", user_identity=m.UserIdentity(username="task-user")),
            ):
                assert await get(client.create_task("j", each)) is None
            found = await get(client.get_task("j", "1"))
            assert found.exit_conditions.default.job_action == "none"
            assert found.exit_conditions.exit_codes[0].exit_options.job_action == "terminate"
            assert len((await get(client.get_task("j", "2"))).output_files) == 2
            assert (await get(client.get_task("j", "3"))).user_identity.auto_user.elevation_level == "admin"
            found = await get(client.get_task("j", "5"))
            assert found.container_settings.image_name == "windows_container:latest"
            assert found.container_settings.registry.username == "username"
            assert found.container_settings.registry.password is None
            assert (await get(client.get_task("j", "6"))).user_identity.username == "task-user"

    asyncio.run(scenario())


def test_what_becomes_of_tasks(emulator, kind) -> None:
    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            await get(client.create_job(job("j")))
            await get(client.create_task("j", task("6")))
            group = m.BatchTaskGroup(task_values=[task(f"group{number}") for number in range(3)])
            result = await get(client.create_task_collection("j", group))
            assert [each.status.lower() for each in result.result_values] == ["success"] * 3
            again = await get(client.create_task_collection("j", group))
            assert [each.error.code for each in again.result_values] == ["TaskExists"] * 3
            assert len(await get(client.list_tasks("j"))) == 4
            counts = await get(client.get_job_task_counts("j"))
            assert (counts.task_counts.active, counts.task_counts.completed) == (4, 0)

            assert await get(client.terminate_task("j", "6")) is None
            found = await get(client.get_task("j", "6"))
            assert (found.state, found.execution_info.failure_info.code) == ("completed", "TaskEnded")
            assert await error_of(lambda: client.terminate_task("j", "6")) == (409, "TaskCompleted")
            assert await get(client.reactivate_task("j", "6")) is None
            assert (await get(client.get_task("j", "6"))).state == "active"
            changed = m.BatchTask(constraints=m.BatchTaskConstraints(max_task_retry_count=1))
            assert await get(client.replace_task("j", "6", changed)) is None
            assert await get(client.list_subtasks("j", "6")) == []
            assert await get(client.delete_task("j", "6")) is None
            assert await error_of(lambda: client.get_task("j", "6")) == (404, "TaskNotFound")

    asyncio.run(scenario())


def test_many_tasks(emulator, kind) -> None:
    """What the SDK does with collections that are too large: it halves them, or tells which task is too large alone."""

    def files(count: int) -> list[m.ResourceFile]:
        url = "https://mystorageaccount.blob.core.windows.net/files/resourceFile"
        return [m.ResourceFile(http_url=f"{url}{number}", file_path=f"resourceFile{number}") for number in range(count)]

    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            await get(client.create_job(job("j")))
            with pytest.raises(CreateTasksError) as caught:
                await get(client.create_tasks("j", [task("mytask", "sleep 1", resource_files=files(10000))]))
            assert caught.value.errors.pop().error.code == "RequestBodyTooLarge"
            many = [task(f"mytask{number}", "sleep 1", resource_files=files(100)) for number in range(733)]
            result = await get(client.create_tasks("j", many))
            results = result.result_values
            assert len(results) == 733
            assert {each.status.lower() for each in results} == {"success"}
            pages = client.list_tasks("j", max_results=500, select=["id"], filter="state eq 'active'")
            assert len({each.id for each in await get(pages)}) == 733

    asyncio.run(scenario())


def test_files(emulator, kind) -> None:
    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            await get(client.create_pool(pool("p", target_dedicated_nodes=1)))
            node = idle_nodes(emulator, "p", 1)[0].id
            await get(client.create_job(job("j")))
            unborn = task("waiting", depends_on=None, required_slots=2)
            await get(client.create_task("j", unborn))
            early = await error_of(lambda: client.list_task_files("j", "waiting"))
            assert early == (409, "OperationInvalidForCurrentState")
            await get(client.create_task("j", task("t", "simulate --seconds 5 --stdout 'hello world'")))
            emulator.advance("PT1M")
            done = await get(client.get_task("j", "t"))
            assert (done.state, done.execution_info.exit_code) == ("completed", 0)

            names = [each.name for each in await get(client.list_node_files("p", node, recursive=True))]
            stdout, stderr = (f"workitems/j/job-1/t/{name}.txt" for name in ("stdout", "stderr"))
            assert {stdout, stderr} <= set(names)
            content = await get(client.download_node_file("p", node, stdout))
            assert content.startswith(b"hello world")
            properties = await get(client.get_node_file_properties("p", node, stdout))
            assert (properties.content_length, properties.is_directory) == (len(content), False)
            assert await get(client.delete_node_file("p", node, stderr)) is None

            files = await get(client.list_task_files("j", "t"))
            assert [each.name for each in files] == ["stdout.txt", "wd"]
            assert files[0].properties.content_length == len(content)
            properties = await get(client.get_task_file_properties("j", "t", "stdout.txt"))
            assert properties.content_length == len(content)
            assert await get(client.download_task_file("j", "t", "stdout.txt")) == content
            part = await get(client.download_task_file("j", "t", "stdout.txt", ocp_range="bytes=6-10"))
            assert part == b"world"
            chosen = client.list_task_files("j", "t", filter="startswith(name,'std')")
            assert [each.name for each in await get(chosen)] == ["stdout.txt"]
            assert await get(client.delete_task_file("j", "t", "stdout.txt")) is None
            assert (await error_of(lambda: client.download_task_file("j", "t", "stdout.txt")))[0] == 404

    asyncio.run(scenario())
