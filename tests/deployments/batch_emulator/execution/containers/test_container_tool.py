"""Container tasks: run for real by buildah in an image made here, and the command lines for docker and podman."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models

from azure_batch_emulator.execution.containers.buildah import BuildahTool
from azure_batch_emulator.execution.containers.container_tool import (
    Answer,
    ToolError,
    container_environment,
    registry_logins,
)
from azure_batch_emulator.execution.containers.docker import DockerTool, outcome_of_container
from azure_batch_emulator.execution.executor import Launch, Outcome
from azure_batch_emulator.execution.node import NodeExecutor
from azure_batch_emulator.running_emulator import running_emulator
from tests.deployments.batch_emulator.execution.launches import (
    ACCOUNT,
    alive,
    cancel_when,
    launch_in,
    run,
    stderr,
    stdout,
)
from tests.deployments.batch_emulator.resources import await_state, make_job, make_pool, make_task

IMAGE = "localhost/emulator-test:1"
EXECUTOR = NodeExecutor(ACCOUNT, tool=BuildahTool(), grace=0.5)


def buildah(*arguments: str) -> str:
    return subprocess.run(
        ["buildah", *arguments], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store of images of its own, with one image: busybox, a variable, and an entry point that echoes."""
    busybox = shutil.which("busybox")
    if shutil.which("buildah") is None or busybox is None:
        pytest.fail(
            "The container tests need buildah and busybox: apt-get install buildah busybox-static", pytrace=False
        )
    folder = tmp_path_factory.mktemp("containers")
    configuration = folder / "storage.conf"
    configuration.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_STORAGE_CONF", str(configuration))
        made = buildah("from", "scratch")
        buildah("copy", made, busybox, "/bin/busybox")
        for program in ("sh", "sleep", "env", "cat"):
            buildah("copy", made, busybox, f"/bin/{program}")
        buildah("config", "--env", "OF_THE_IMAGE=1", "--workingdir", "/srv", made)
        buildah("config", "--entrypoint", '["/bin/busybox", "echo", "entered"]', "--cmd", "by default", made)
        buildah("commit", "--quiet", made, IMAGE)
        buildah("rm", made)
        yield folder


def container_launch(root: Path, command_line: str, options: str = "--entrypoint ''", **settings: Any) -> Launch:
    """Without the image's entry point, unless other options are given."""
    given = {"imageName": IMAGE, "containerRunOptions": options, **settings}
    return launch_in(root, command_line, container_settings=given, environment={"MINE": "two words"})


@pytest.mark.usefixtures("storage")
class TestBuildah:
    def test_a_command_sees_the_image_and_its_own_directory(self, tmp_path: Path) -> None:
        command = (
            "sh -c 'echo $OF_THE_IMAGE; echo $MINE; pwd; echo made > here.txt; [ -e /usr ] || echo only the image'"
        )
        launch = container_launch(tmp_path / "node", command)
        ended = run(EXECUTOR, launch)
        assert ended.exit_code == 0
        assert ended.failure is None
        assert ended.container_info is not None
        assert ended.container_info["state"] == "exited"
        assert stdout(launch).splitlines() == ["1", "two words", str(launch.directory / "wd"), "only the image"]
        assert (launch.directory / "wd" / "here.txt").read_text() == "made\n"
        assert buildah("containers", "--quiet") == ""

    def test_the_agents_variables_hold_inside(self, tmp_path: Path) -> None:
        launch = container_launch(
            tmp_path / "node", "sh -c 'cd $AZ_BATCH_NODE_SHARED_DIR && pwd; echo $AZ_BATCH_TASK_ID'"
        )
        assert run(EXECUTOR, launch).exit_code == 0
        assert stdout(launch).splitlines() == [str(tmp_path / "node" / "shared"), "t1"]

    def test_the_entry_point_takes_the_command_line(self, tmp_path: Path) -> None:
        launch = container_launch(tmp_path / "node", "with these", options="")
        assert run(EXECUTOR, launch).exit_code == 0
        assert stdout(launch) == "entered with these\n"

    def test_an_empty_command_line_is_the_images_own(self, tmp_path: Path) -> None:
        launch = container_launch(tmp_path / "node", "", options="")
        assert run(EXECUTOR, launch).exit_code == 0
        assert stdout(launch) == "entered by default\n"

    def test_the_image_may_choose_the_working_directory(self, tmp_path: Path) -> None:
        launch = container_launch(tmp_path / "node", "sh -c pwd", workingDirectory="containerImageDefault")
        assert run(EXECUTOR, launch).exit_code == 0
        assert stdout(launch) == "/srv\n"

    def test_only_what_is_chosen_is_mounted(self, tmp_path: Path) -> None:
        mounts = [{"source": "Task"}]
        command = f"sh -c '[ -e {tmp_path}/node/shared ] || echo hidden'"
        launch = container_launch(tmp_path / "node", command, containerHostBatchBindMounts=mounts)
        assert run(EXECUTOR, launch).exit_code == 0
        assert stdout(launch) == "hidden\n"

    @pytest.mark.parametrize(
        ("command", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143), ("kill -11 $$", 139)]
    )
    def test_exit_codes_and_nothing_of_the_tool_in_stderr(self, tmp_path: Path, command: str, code: int) -> None:
        launch = container_launch(tmp_path / "node", f"sh -c 'echo last words >&2; {command}'")
        assert run(EXECUTOR, launch).exit_code == code
        assert stderr(launch) == "last words\n"

    def test_a_last_line_without_end_is_kept(self, tmp_path: Path) -> None:
        launch = container_launch(tmp_path / "node", "sh -c 'busybox printf end >&2; exit 1'")
        assert run(EXECUTOR, launch).exit_code == 1
        assert stderr(launch) == "end"

    @pytest.mark.parametrize("program", ["no-such-program", "/bin/no-such-program"])
    def test_a_program_that_the_image_has_not(self, tmp_path: Path, program: str) -> None:
        launch = container_launch(tmp_path / "node", program)
        ended = run(EXECUTOR, launch)
        assert ended.failure is not None
        assert (ended.exit_code, ended.failure["code"]) == (None, "CommandProgramNotFound")
        assert "does not have the program" in ended.failure["details"][0]["value"]
        assert buildah("containers", "--quiet") == ""

    def test_an_image_that_cannot_be_had(self, tmp_path: Path) -> None:
        launch = container_launch(tmp_path / "node", "true", imageName="dir:/no/such")
        ended = run(EXECUTOR, launch)
        assert ended.failure is not None
        assert (ended.failure["category"], ended.failure["code"]) == ("UserError", "ContainerInvalidImage")
        assert ended.failure["details"][0] == {"name": "ContainerImage", "value": "dir:/no/such"}

    @pytest.mark.parametrize("option", ["--privileged", "--gpus all"])
    def test_an_option_that_is_not_supported_is_refused(self, tmp_path: Path, option: str) -> None:
        ended = run(EXECUTOR, container_launch(tmp_path / "node", "true", options=option))
        assert ended.failure is not None
        assert ended.failure["code"] == "ContainerInvalidSettings"
        assert option.split(maxsplit=1)[0] in ended.failure["details"][0]["value"]

    def test_what_cannot_be_mounted_is_told(self, tmp_path: Path) -> None:
        ended = run(EXECUTOR, container_launch(tmp_path / "node", "sh -c true", options="-v /no/such/folder:/folder"))
        assert ended.failure is not None
        assert ended.failure["code"] == "ContainerInvalidSettings"
        assert "/no/such/folder" in ended.failure["details"][0]["value"]

    def test_options_that_it_has(self, tmp_path: Path) -> None:
        extra = tmp_path / "extra"
        extra.mkdir()
        (extra / "file").write_text("mounted\n")
        options = f"--rm --entrypoint /bin/sh -e MORE=1 -v {extra}:/extra:ro --memory 1g -w /extra"
        launch = container_launch(tmp_path / "node", "-c 'echo $MORE; cat file; touch new || echo read-only'", options)
        assert run(EXECUTOR, launch).exit_code == 0
        assert stdout(launch) == "1\nmounted\nread-only\n"

    def test_a_cancelled_container_is_gone_with_all_that_ran_in_it(self, tmp_path: Path) -> None:
        command = "sh -c 'trap : TERM; sleep 300 & echo $!; echo $$; while :; do sleep 0.1; done'"
        launch = container_launch(tmp_path / "node", command)

        def up() -> bool:
            return (launch.directory / "stdout.txt").exists() and len(stdout(launch).split()) == 2

        asyncio.run(cancel_when(EXECUTOR, launch, up))
        assert not any(alive(int(pid)) for pid in stdout(launch).split())
        assert buildah("containers", "--quiet") == ""

    def test_through_the_service(self) -> None:
        """Tasks of a pool for containers: one in the image, one killed in it, and one whose image nobody has."""
        configuration = models.BatchContainerConfiguration(type="dockerCompatible", container_image_names=[IMAGE])
        commands = {"good": "sh -c 'echo $OF_THE_IMAGE'", "killed": "sh -c 'kill -9 $$'", "wrong": "true"}
        with running_emulator(speed=50, executor="buildah") as emulator, emulator.client() as client:
            make_pool(client, containers=configuration)
            make_job(client)
            for name, command in commands.items():
                image = "dir:/no/such" if name == "wrong" else IMAGE
                settings = models.BatchTaskContainerSettings(image_name=image, container_run_options="--entrypoint ''")
                make_task(client, name, command, container_settings=settings)
            ended = {name: await_state(client, name).execution_info for name in commands}
            assert b"".join(client.download_task_file("j1", "good", "stdout.txt")) == b"1\n"
        good, killed, wrong = (ended[name] for name in ("good", "killed", "wrong"))
        assert good is not None
        assert killed is not None
        assert wrong is not None
        assert (good.result, good.exit_code) == ("success", 0)
        assert good.container_info is not None
        assert good.container_info.state == "exited"
        assert (killed.result, killed.exit_code) == ("failure", 137)
        assert killed.failure_info is not None
        assert killed.failure_info.code == "FailureExitCode"
        assert wrong.failure_info is not None
        assert wrong.failure_info.code == "ContainerInvalidImage"


SETTINGS = {
    "imageName": "etl.azurecr.io/etl:1",
    "containerRunOptions": "--memory 1g --network host",
    "registry": {"registryServer": "etl.azurecr.io", "username": "me", "password": "secret"},
}


def test_the_command_line_of_docker(tmp_path: Path) -> None:
    environment = {"API": "http://127.0.0.1:4200/api", "TOKEN": "secret", "PATH": "/opt/bin"}
    launch = launch_in(
        tmp_path / "node", "python -m flow 'two words'", container_settings=SETTINGS, environment=environment
    )
    variables = container_environment(launch, ACCOUNT)
    words = DockerTool("docker").create_arguments(launch, "azbatch-1", variables)
    root = str(tmp_path / "node")
    assert words[:8] == [
        "docker",
        "create",
        "--name",
        "azbatch-1",
        "--volume",
        f"{root}:{root}",
        "--workdir",
        f"{launch.directory}/wd",
    ]
    assert words[-9:] == [
        *("--memory", "1g", "--network", "host"),
        *("etl.azurecr.io/etl:1", "python", "-m", "flow", "two words"),
    ]
    given = [words[at + 1] for at, word in enumerate(words) if word == "--env"]
    assert {word.split("=")[0] for word in given} == set(variables)
    # Values are read from the client's own environment, where others do not see them; PATH is the client's own there.
    assert [word for word in given if "=" in word] == ["PATH=/opt/bin"]
    assert not any("secret" in word for word in words)
    if sys.platform != "win32":
        assert words[words.index("--user") + 1] == f"{os.getuid()}:{os.getgid()}"


def test_an_admin_is_root_and_the_image_may_choose_the_directory(tmp_path: Path) -> None:
    settings = {"imageName": "etl:1", "workingDirectory": "containerImageDefault"}
    launch = launch_in(tmp_path / "node", "", container_settings=settings, elevated=True)
    words = DockerTool("podman").create_arguments(launch, "azbatch-1", {})
    root = str(tmp_path / "node")
    assert words == ["podman", "create", "--name", "azbatch-1", "--volume", f"{root}:{root}", "--user", "0:0", "etl:1"]


def test_logins_stand_in_a_file_for_the_time_of_a_pull() -> None:
    with registry_logins(SETTINGS) as login:
        assert login is not None
        folder = Path(login)
        assert json.loads((folder / "config.json").read_text()) == {
            "auths": {"etl.azurecr.io": {"auth": "bWU6c2VjcmV0"}}
        }
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert DockerTool("docker").pull_arguments("i", login) == ["docker", "--config", login, "pull", "i"]
    assert DockerTool("podman").pull_arguments("i", login)[2:] == ["--authfile", f"{login}/config.json", "i"]
    assert BuildahTool().pull_arguments("i", login)[2:] == ["--authfile", f"{login}/config.json", "i"]
    assert DockerTool("docker").pull_arguments("i", None) == ["docker", "pull", "i"]
    with registry_logins({"imageName": "i"}) as none:
        assert none is None


def inspected(**state: Any) -> Answer:
    """In the form of `docker inspect`."""
    document = [{"Id": "4f5e", "State": {"Status": "exited", "ExitCode": 0, "OOMKilled": False, "Error": "", **state}}]
    return Answer(0, json.dumps(document), "")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, (0, None, "")),
        ({"ExitCode": 3}, (3, None, "")),
        ({"ExitCode": 137, "OOMKilled": True}, (137, None, "The container was out of memory")),
        (
            {"ExitCode": 127, "Error": 'exec: "flow": executable file not found in $PATH'},
            (None, "CommandProgramNotFound", 'exec: "flow": executable file not found in $PATH'),
        ),
        ({"ExitCode": 128, "Error": "no such device"}, (None, "ContainerInvalidSettings", "no such device")),
    ],
)
def test_how_a_container_of_docker_ended(state: dict[str, Any], expected: tuple[int | None, str | None, str]) -> None:
    ended = outcome_of_container(1, inspected(**state))
    assert ended.container_info is not None
    assert ended.container_info["containerId"] == "4f5e"
    assert (ended.exit_code, ended.failure and ended.failure["code"], ended.container_info["error"]) == expected


def test_a_container_that_nobody_can_inspect_has_the_clients_exit_code() -> None:
    ended = outcome_of_container(1, Answer(1, "", "no such container"))
    assert ended == Outcome(1, None, {"containerId": "", "state": "unknown", "error": "no such container"})


def test_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    settings = {"imageName": "i", "containerHostBatchBindMounts": [{"source": "Home"}]}
    with pytest.raises(ToolError) as caught:
        DockerTool().create_arguments(launch_in(tmp_path / "n", "", container_settings=settings), "n", {})
    assert "Home is none of shared, startup" in caught.value.failure["details"][0]["value"]
