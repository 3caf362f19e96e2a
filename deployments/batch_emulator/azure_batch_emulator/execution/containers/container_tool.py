"""Container settings of a task, and the tools that can run them: what docker, podman and buildah have in common."""

import asyncio
import base64
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azure_batch_emulator.execution.environment import AccountFacts, agent_environment
from azure_batch_emulator.execution.executor import JsonObject, Launch, Outcome, user_error

logger = logging.getLogger(__name__)

_INFO_PATIENCE = 10.0  # seconds
_DOCKER_HUB = "docker.io"
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"  # docker's own name for it in its configuration


class ContainerTool(Protocol):
    @property
    def program(self) -> str: ...

    async def run(self, launch: Launch, account: AccountFacts, running: Callable[[], None], grace: float) -> Outcome:
        """Gets the image, runs the command in it, and removes the container whatever happens."""
        ...


class ToolError(Exception):
    """A tool could not do what it was asked for; `failure` is what the task is told."""

    def __init__(self, failure: JsonObject) -> None:
        self.failure = failure
        super().__init__(failure["message"])


@dataclass(frozen=True)
class Answer:
    """How a call of a tool ended."""

    code: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """Its last words."""
        return (self.errors.strip().splitlines() or ["no reason given"])[-1]


def container_environment(launch: Launch, account: AccountFacts) -> dict[str, str]:
    """What the task asked for and the AZ_BATCH_ variables; the rest is the image's."""
    return {**launch.environment, **agent_environment(launch, account)}


def bind_mounts(launch: Launch) -> list[str]:
    """Volumes as `host:container[:ro]`, at the same path on both sides: all of the node, or what the task chose."""
    settings = launch.container_settings or {}
    chosen = settings.get("containerHostBatchBindMounts")
    if chosen is None:
        return [f"{launch.node_root}:{launch.node_root}"]
    own = f"{launch.directory}:{launch.directory}"  # there is always somewhere to write to
    return list(dict.fromkeys([own, *(_bind_mount(mount, launch) for mount in chosen)]))


def working_directory(launch: Launch) -> str | None:
    """None for the one that the image says."""
    settings = launch.container_settings or {}
    own = (settings.get("workingDirectory") or "").lower() == "containerimagedefault"
    return None if own else str(launch.directory / "wd")


def user(launch: Launch) -> str:
    """As for the service's auto-users, the one who owns the working directory, whoever the image has in mind: here
    that is who runs the emulator. Only an admin is root.
    """
    if launch.elevated or sys.platform == "win32":
        return "0:0"
    return f"{os.getuid()}:{os.getgid()}"


def command_words(launch: Launch) -> list[str]:
    """Arguments after the image's name; none of them leaves its ENTRYPOINT and CMD as they are."""
    try:
        return shlex.split(launch.command_line)
    except ValueError as error:
        raise ToolError(
            user_error("CommandLaunchFailed", "Failed to launch the specified command line", Message=str(error))
        ) from error


def run_options(settings: JsonObject) -> list[str]:
    """Less `--rm`: the container is removed in any case, once it was asked how it ended."""
    try:
        words = shlex.split(settings.get("containerRunOptions") or "")
    except ValueError as error:
        raise ToolError(invalid_settings(f"containerRunOptions: {error}")) from error
    if any(word.partition("=")[0] == "--gpus" for word in words):
        # The service hands the node's GPUs on by itself: https://github.com/epi2me-labs/wf-basecalling/issues/6
        raise ToolError(invalid_settings("Some supplied docker options are not recognized or are unsupported: --gpus"))
    return [word for word in words if word != "--rm"]


@contextmanager
def registry_logins(settings: JsonObject) -> Iterator[str | None]:
    """A directory with a `config.json` that has the task's user name and password, away when it is left.

    None without them: the tool's own logins hold then, and so they do for a registry that is reached by identity.
    """
    registry = settings.get("registry") or {}
    if not registry.get("username"):
        yield None
        return
    server = registry.get("registryServer") or _DOCKER_HUB
    login = base64.b64encode(f"{registry['username']}:{registry.get('password') or ''}".encode()).decode()
    names = {server, _DOCKER_HUB_KEY} if server == _DOCKER_HUB else {server}
    with tempfile.TemporaryDirectory(prefix="registry-login-") as folder:  # only its owner may look into it
        auths = {name: {"auth": login} for name in names}
        (Path(folder) / "config.json").write_text(json.dumps({"auths": auths}), encoding="utf-8")
        yield folder


async def call(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Answer:
    """Runs a tool to its end, in this process's environment unless given; it is killed when the wait is cancelled."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return Answer(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


def invalid_image(image: str, reason: str) -> JsonObject:
    """As the service tells it: https://github.com/Azure/Batch/issues/122"""
    message = "One or more container images specified are invalid"
    return user_error("ContainerInvalidImage", message, ContainerImage=image, Message=reason)


def invalid_settings(reason: str) -> JsonObject:
    """As the service tells it: https://github.com/Azure/Batch/issues/4"""
    message = "At least one value of specified task container settings is invalid"
    return user_error("ContainerInvalidSettings", message, Message=reason)


def program_not_found(reason: str) -> JsonObject:
    return user_error("CommandProgramNotFound", "The specified command program is not found", Message=reason)


def installed(names: Sequence[str]) -> str | None:
    """The first of the tools that is there and answers: docker's client may be installed without its daemon."""
    for name in names:
        if (path := shutil.which(name)) and _answers(path):
            return name
    return None


def _answers(path: str) -> bool:
    try:
        asked = subprocess.run([path, "info"], capture_output=True, check=False, timeout=_INFO_PATIENCE)  # noqa: S603
    except subprocess.TimeoutExpired:
        logger.info("%s is installed and did not answer in %s s", path, _INFO_PATIENCE)
        return False
    if asked.returncode:
        logger.info("%s is installed and does not work: %s", path, asked.stderr.decode(errors="replace").strip())
    return asked.returncode == 0


def _bind_mount(mount: JsonObject, launch: Launch) -> str:
    root = launch.node_root
    places = {
        "shared": root / "shared",
        "startup": root / "startup",
        "vfsmounts": root / "fsmounts",
        "task": launch.directory,
        "jobprep": launch.directory.parent / "jobpreparation",
        "applications": root / "applications",
    }
    source = str(mount.get("source"))
    if source.lower() not in places:
        raise ToolError(invalid_settings(f"containerHostBatchBindMounts: {source} is none of {', '.join(places)}"))
    place = places[source.lower()]
    place.mkdir(parents=True, exist_ok=True)
    return f"{place}:{place}{':ro' if mount.get('isReadOnly') else ''}"
