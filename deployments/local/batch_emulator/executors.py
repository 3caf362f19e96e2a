"""Which executor runs the tasks: by name, or the best one for what is installed here."""

from collections.abc import Mapping

from deployments.local.batch_emulator.clock import Clock
from deployments.local.batch_emulator.execution.buildah import BuildahTool
from deployments.local.batch_emulator.execution.containers import ContainerTool, installed
from deployments.local.batch_emulator.execution.docker import DockerTool
from deployments.local.batch_emulator.execution.environment import AccountFacts
from deployments.local.batch_emulator.execution.launch import Executor
from deployments.local.batch_emulator.execution.node import NodeExecutor
from deployments.local.batch_emulator.execution.simulated import SimulatedExecutor
from deployments.local.batch_emulator.execution.storage import AZURITE, Storage

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

    Raises: ValueError for a tool that is not installed or does not answer.
    """
    if name == "simulated":
        return SimulatedExecutor(clock, seed)
    storage = Storage({**AZURITE, **storage_keys}, auto_storage)
    if name == "processes":
        return NodeExecutor(account, storage, imageless=True)
    candidates = tuple(_TOOLS) if name == "auto" else (name,)
    found = installed(candidates)
    if found is None and name != "auto":
        raise ValueError(f"{name} is not installed or does not answer. Install it, or choose another --executor.")
    return NodeExecutor(account, storage, None if found is None else _TOOLS[found], imageless=found is None)
