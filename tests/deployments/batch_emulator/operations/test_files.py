"""Files of tasks and nodes through the SDK, while real processes write them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpResponse

from azure_batch_emulator.running_emulator import Emulator, running_emulator
from tests.deployments.batch_emulator.execution.launches import alive
from tests.deployments.batch_emulator.resources import await_state, await_true, make_job, make_pool, make_task


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Real processes; time fifty times as fast, so that nodes are there soon."""
    with running_emulator(speed=50, executor="processes") as running:
        with running.client() as client:
            make_pool(client, nodes=1, slots=4)
            make_job(client)
            await_true(lambda: [node for node in client.list_nodes("p1") if node.state == "idle"])
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[BatchClient]:
    with emulator.client() as opened:
        yield opened


def read(client: BatchClient, task_id: str, path: str, ocp_range: str | None = None) -> str:
    return b"".join(client.download_task_file("j1", task_id, path, ocp_range=ocp_range)).decode()


def code(error: HttpResponseError) -> str:
    """The code in the service's document: for downloads the SDK leaves it unread."""
    assert isinstance(error.response, HttpResponse)
    error.response.read()
    return str(error.response.json()["code"])


def refusal(client: BatchClient, task_id: str, path: str, ocp_range: str | None = None) -> tuple[int | None, str]:
    with pytest.raises(HttpResponseError) as caught:
        read(client, task_id, path, ocp_range)
    return caught.value.status_code, code(caught.value)


def names(files: Iterator[models.BatchNodeFile]) -> list[str]:
    return [str(file.name) for file in files]


def test_a_growing_file_is_read_from_where_one_stopped(client: BatchClient) -> None:
    script = "echo first; until [ -e go ]; do sleep 0.02; done; echo second"
    make_task(client, "grows", f"/bin/sh -c '{script}'")
    await_true(lambda: client.get_task("j1", "grows").state == "running" and read(client, "grows", "stdout.txt"))
    assert read(client, "grows", "stdout.txt") == "first\n"
    assert refusal(client, "grows", "stdout.txt", "bytes=6-") == (416, "InvalidRange")
    task = client.get_task("j1", "grows")
    assert task.node_info is not None
    assert task.node_info.task_root_directory == "workitems/j1/job-1/grows"
    folder = f"{task.node_info.task_root_directory}/wd"
    make_task(client, "goes", f"/bin/sh -c 'touch $AZ_BATCH_NODE_ROOT_DIR/{folder}/go'")
    await_state(client, "grows")
    assert read(client, "grows", "stdout.txt", "bytes=6-") == "second\n"
    assert read(client, "grows", "stdout.txt", "bytes=0-4") == "first"
    properties = client.get_task_file_properties("j1", "grows", "stdout.txt")
    assert (properties.content_length, properties.is_directory) == (13, False)


def test_files_of_a_task_are_listed(client: BatchClient) -> None:
    make_task(client, "lists", "/bin/sh -c 'mkdir -p a/b; echo 1 > a/b/c.txt; echo out'")
    await_state(client, "lists")
    assert names(client.list_task_files("j1", "lists")) == ["stderr.txt", "stdout.txt", "wd"]
    recursive = {file.name: file for file in client.list_task_files("j1", "lists", recursive=True)}
    assert list(recursive) == ["stderr.txt", "stdout.txt", "wd", "wd/a", "wd/a/b", "wd/a/b/c.txt"]
    assert recursive["wd/a"].is_directory
    file = recursive["wd/a/b/c.txt"]
    assert file.url is not None
    assert file.url.endswith("/jobs/j1/tasks/lists/files/wd/a/b/c.txt")
    assert file.properties is not None
    assert (file.properties.content_length, file.properties.content_type) == (2, "text/plain")
    assert read(client, "lists", "wd/a/b/c.txt") == "1\n"
    assert names(client.list_task_files("j1", "lists", filter="startswith(name,'std')")) == ["stderr.txt", "stdout.txt"]
    assert len(list(client.list_task_files("j1", "lists", recursive=True, max_results=2))) == 6


def test_the_node_has_the_services_layout(client: BatchClient) -> None:
    make_task(client, "lays", "/bin/true")
    task = await_state(client, "lays")
    assert task.node_info is not None
    node = str(task.node_info.node_id)
    assert {"shared", "startup", "workitems"} <= set(names(client.list_node_files("p1", node)))
    path = "workitems/j1/job-1/lays/stdout.txt"
    assert path in names(client.list_node_files("p1", node, recursive=True))
    assert b"".join(client.download_node_file("p1", node, path)) == b""
    assert client.get_node_file_properties("p1", node, path).content_length == 0
    client.delete_node_file("p1", node, path)
    assert path not in names(client.list_node_files("p1", node, recursive=True))


def test_files_are_deleted(client: BatchClient) -> None:
    make_task(client, "deletes", "/bin/sh -c 'mkdir a; touch a/b'")
    await_state(client, "deletes")
    with pytest.raises(HttpResponseError) as caught:
        client.delete_task_file("j1", "deletes", "wd/a")
    assert (caught.value.status_code, code(caught.value)) == (403, "IOError")
    client.delete_task_file("j1", "deletes", "wd/a", recursive=True)
    client.delete_task_file("j1", "deletes", "stdout.txt")
    assert names(client.list_task_files("j1", "deletes", recursive=True)) == ["stderr.txt", "wd"]


def test_what_is_not_there(client: BatchClient) -> None:
    make_task(client, "lacks", "/bin/sh -c 'ln -s /etc/passwd outside'")
    await_state(client, "lacks")
    assert refusal(client, "lacks", "wd/none.txt") == (404, "FileNotFound")
    assert refusal(client, "lacks", "../lists/stdout.txt") == (404, "FileNotFound")
    assert refusal(client, "lacks", "wd/outside") == (404, "FileNotFound")
    assert refusal(client, "no-such-task", "stdout.txt") == (404, "TaskNotFound")
    with pytest.raises(HttpResponseError) as caught:
        list(client.list_node_files("p1", "tvmps_0_d"))
    assert (caught.value.status_code, code(caught.value)) == (404, "NodeNotFound")


def test_a_waiting_task_has_no_files_yet(client: BatchClient) -> None:
    client.create_job(models.BatchJobCreateOptions(id="idle", pool_info=models.BatchPoolInfo(pool_id="no-such-pool")))
    make_task(client, "waits", "/bin/true", job_id="idle")
    with pytest.raises(HttpResponseError) as caught:
        list(client.list_task_files("idle", "waits"))
    assert (caught.value.status_code, code(caught.value)) == (409, "OperationInvalidForCurrentState")


def test_a_terminated_task_keeps_its_output_and_no_process(client: BatchClient) -> None:
    make_task(client, "ends", "/bin/sh -c 'echo $$; sleep 300'")
    await_true(lambda: client.get_task("j1", "ends").state == "running" and read(client, "ends", "stdout.txt"))
    pid = int(read(client, "ends", "stdout.txt"))
    assert alive(pid)
    client.terminate_task("j1", "ends")
    task = await_state(client, "ends")
    assert task.execution_info is not None
    assert task.execution_info.failure_info is not None
    assert task.execution_info.failure_info.code == "TaskEnded"
    await_true(lambda: not alive(pid))
    assert read(client, "ends", "stdout.txt") == f"{pid}\n"


def test_a_command_that_is_not_there_fails_the_task(client: BatchClient) -> None:
    make_task(client, "no-program", "no-such-program")
    task = await_state(client, "no-program")
    assert task.execution_info is not None
    assert task.execution_info.exit_code is None
    assert task.execution_info.failure_info is not None
    assert task.execution_info.failure_info.code == "CommandProgramNotFound"


def test_when_the_emulator_stops_no_process_is_left(tmp_path: Path) -> None:
    with running_emulator(speed=50, executor="processes") as stopped, stopped.client() as client:
        make_pool(client, nodes=1)
        make_job(client)
        make_task(client, "runs", f"/bin/sh -c 'echo $$ > {tmp_path}/pid; sleep 300'")
        await_true(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        pid = int((tmp_path / "pid").read_text())
        assert alive(pid)
    assert not alive(pid)


def test_after_a_crash_no_task_runs_twice(tmp_path: Path) -> None:
    """The emulator is killed; the next one, with the same state, ends what was left and runs the task again."""
    script = f"/bin/sh -c 'echo $$ >> {tmp_path}/pids; sleep 300'"

    def pids() -> list[int]:
        return [int(line) for line in (tmp_path / "pids").read_text().split()] if (tmp_path / "pids").exists() else []

    with (
        running_emulator(speed=50, executor="processes", state=tmp_path / "state") as killed,
        killed.client() as client,
    ):
        make_pool(client, nodes=1)
        make_job(client)
        make_task(client, "runs", script)
        await_true(pids)
        killed.process.kill()
        killed.process.wait()
    assert alive(pids()[0])
    with running_emulator(speed=50, executor="processes", state=tmp_path / "state") as restarted:
        assert not alive(pids()[0])
        await_true(lambda: len(pids()) == 2)
        with restarted.client() as client:
            await_state(client, "runs", "running")
    assert not any(alive(pid) for pid in pids())


def test_the_files_of_a_node_that_is_gone_are_unavailable(client: BatchClient) -> None:
    make_pool(client, "p2", nodes=1)
    make_job(client, "j2", "p2")
    make_task(client, "gone", "/bin/true", job_id="j2")
    await_state(client, "gone", job_id="j2")
    client.begin_remove_nodes("p2", models.BatchNodeRemoveOptions(node_ids=[n.id for n in client.list_nodes("p2")]))
    await_true(lambda: not list(client.list_nodes("p2")))
    with pytest.raises(HttpResponseError) as caught:
        list(client.list_task_files("j2", "gone"))
    assert (caught.value.status_code, code(caught.value)) == (409, "TaskFilesUnavailable")


def test_the_asynchronous_client_reads_files_too(emulator: Emulator, client: BatchClient) -> None:
    make_task(client, "async", "/bin/echo hello")
    await_state(client, "async")

    async def fetch() -> bytes:
        async with emulator.aio_client() as aio:
            return b"".join([chunk async for chunk in await aio.download_task_file("j1", "async", "stdout.txt")])

    assert asyncio.run(fetch()) == b"hello\n"
