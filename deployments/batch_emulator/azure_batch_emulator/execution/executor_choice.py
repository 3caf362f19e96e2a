"""Which executor runs the tasks: by name, or the best one for what is installed here."""

import sys
from collections.abc import Mapping

from azure_batch_emulator.control.clock import Clock
from azure_batch_emulator.execution.containers.buildah import BuildahTool
from azure_batch_emulator.execution.containers.container_tool import ContainerTool, installed
from azure_batch_emulator.execution.containers.docker import DockerTool
from azure_batch_emulator.execution.environment import AccountFacts
from azure_batch_emulator.execution.executor import Executor
from azure_batch_emulator.execution.files.storage import AZURITE, Storage
from azure_batch_emulator.execution.node import NodeExecutor
from azure_batch_emulator.execution.simulated import SimulatedExecutor

EXECUTORS = ("auto", "processes", "docker", "podman", "buildah", "simulated")
_TOOLS: Mapping[str, ContainerTool] = {
    "docker": DockerTool("docker"),
    "podman": DockerTool("podman"),
    "buildah": BuildahTool("buildah"),
}


def make_executor(
    name: str,
    account: AccountFacts,
    clock: Clock,
    *,
    seed: int,
    storage_keys: Mapping[str, str],
    auto_storage: str | None,
) -> Executor:
    """`auto` runs tasks with container settings in the tool that is installed, and as processes where none is.

    Raises: ValueError for a tool that is not installed or does not answer, and for all but `simulated` on Windows.
    """
    if name == "simulated":
        return SimulatedExecutor(clock, seed)
    if sys.platform == "win32":
        raise ValueError(
            "Windows has no processes as tasks of Linux nodes need them. Start the emulator in WSL (`wsl --install` "
            "brings it), or with --executor simulated, which runs nothing."
        )
    storage = Storage({**AZURITE, **storage_keys}, auto_storage)
    if name == "processes":
        return NodeExecutor(account, storage, imageless=True)
    candidates = tuple(_TOOLS) if name == "auto" else (name,)
    found = installed(candidates)
    if found is None and name != "auto":
        raise ValueError(f"{name} is not installed or does not answer. Install it, or choose another --executor.")
    return NodeExecutor(account, storage, None if found is None else _TOOLS[found], imageless=found is None)
