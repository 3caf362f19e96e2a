"""The executor of real commands: what a node's agent does around them, and whether a container is around them too."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from azure_batch_emulator.execution.command_line import arguments_of
from azure_batch_emulator.execution.containers.container_tool import ContainerTool
from azure_batch_emulator.execution.environment import AccountFacts, make_directories, process_environment
from azure_batch_emulator.execution.executor import JsonObject, Launch, Outcome, user_error
from azure_batch_emulator.execution.files import output_files, resource_files
from azure_batch_emulator.execution.files.storage import Storage
from azure_batch_emulator.execution.processes import GRACE, Command, run_process


@dataclass(frozen=True)
class NodeExecutor:
    """`tool` runs what has container settings. Without one such a task is refused, or run as a process beside its image
    where `imageless` says so: its containerInfo then tells that there was no container.
    """

    account: AccountFacts
    storage: Storage = field(default_factory=Storage)
    tool: ContainerTool | None = None
    imageless: bool = False
    grace: float = GRACE

    @property
    def name(self) -> str:
        return "processes" if self.tool is None else self.tool.program

    async def run(self, launch: Launch, running: Callable[[], None]) -> Outcome:
        make_directories(launch)
        if failure := await resource_files.fetch(launch, self.storage):
            return Outcome(None, failure)
        outcome = await self._execute(launch, running)
        succeeded = outcome.exit_code == 0 and outcome.failure is None
        if failure := await output_files.upload(launch, self.storage, succeeded=succeeded):
            # What went wrong first is what is told.
            return replace(outcome, failure=outcome.failure or failure)
        return outcome

    async def _execute(self, launch: Launch, running: Callable[[], None]) -> Outcome:
        settings = launch.container_settings
        if settings is None:
            return await self._process(launch, running)
        if self.tool is not None:
            return await self.tool.run(launch, self.account, running, self.grace)
        if self.imageless:
            outcome = await self._process(launch, running)
            note = f"Run as a process, without the image {settings['imageName']}"
            return replace(outcome, container_info={"containerId": "", "state": "none", "error": note})
        return Outcome(None, _no_tool(settings))

    async def _process(self, launch: Launch, running: Callable[[], None]) -> Outcome:
        environment = process_environment(launch, self.account)
        try:
            arguments = arguments_of(launch.command_line, windows=launch.windows)
            if not arguments:
                return Outcome(None, _launch_failed("The command line is empty"))
            return Outcome(await run_process(Command(arguments, environment, launch.directory), running, self.grace))
        except FileNotFoundError as error:
            message = "The specified command program is not found"
            return Outcome(None, user_error("CommandProgramNotFound", message, Message=str(error)))
        except (OSError, ValueError) as error:
            return Outcome(None, _launch_failed(str(error)))


def _launch_failed(reason: str) -> JsonObject:
    return user_error("CommandLaunchFailed", "Failed to launch the specified command line", Message=reason)


def _no_tool(settings: JsonObject) -> JsonObject:
    return user_error(
        "ContainerInvalidSettings",
        "At least one value of specified task container settings is invalid",
        Message=(
            f"This emulator cannot run the image {settings['imageName']}: it was started without a container tool. "
            "Start it with --executor docker, podman or buildah, or with --executor processes to run without images."
        ),
    )
