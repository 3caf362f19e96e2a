"""Containers of docker, or of podman, whose command line is the same in what is used here."""

import asyncio
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from azure_batch_emulator.execution.containers import container_tool as tools
from azure_batch_emulator.execution.environment import AccountFacts
from azure_batch_emulator.execution.executor import JsonObject, Launch, Outcome
from azure_batch_emulator.execution.processes import Command, run_process

# These mean something to the client itself, so their values stand in its command line, the others' in its environment.
_OF_THE_CLIENT = ("PATH", "HOME", "XDG_", "DOCKER_", "CONTAINER", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_NOT_FOUND = ("executable file not found", "no such file or directory")


@dataclass(frozen=True)
class DockerTool:
    """`program` is `docker` or `podman`."""

    program: str = "docker"

    async def run(self, launch: Launch, account: AccountFacts, running: Callable[[], None], grace: float) -> Outcome:
        settings = launch.container_settings or {}
        name = f"azbatch-{uuid.uuid4().hex}"
        environment = tools.container_environment(launch, account)
        client = {**os.environ, **{key: value for key, value in environment.items() if not _is_the_clients(key)}}
        try:
            await self._get(settings)
            create = await tools.call(self.create_arguments(launch, name, environment), client)
            if create.code:
                return Outcome(None, tools.invalid_settings(create.reason))
            try:
                return await self._start(launch, name, client, running, grace)
            finally:
                await asyncio.shield(tools.call([self.program, "rm", "--force", "--volumes", name]))
        except tools.ToolError as error:
            return Outcome(None, error.failure)

    def create_arguments(self, launch: Launch, name: str, environment: dict[str, str]) -> list[str]:
        """The whole command line of `docker create`; what a task's options say comes last, and so wins."""
        settings = launch.container_settings or {}
        arguments = [self.program, "create", "--name", name]
        for volume in tools.bind_mounts(launch):
            arguments += ["--volume", volume]
        if directory := tools.working_directory(launch):
            arguments += ["--workdir", directory]
        arguments += ["--user", tools.user(launch)]
        for variable, value in environment.items():
            arguments += ["--env", f"{variable}={value}" if _is_the_clients(variable) else variable]
        return [*arguments, *tools.run_options(settings), settings["imageName"], *tools.command_words(launch)]

    def pull_arguments(self, image: str, logins: str | None) -> list[str]:
        if logins is None:
            return [self.program, "pull", image]
        if self.program == "docker":
            return [self.program, "--config", logins, "pull", image]
        return [self.program, "pull", "--authfile", f"{logins}/config.json", image]

    async def _get(self, settings: JsonObject) -> None:
        image = settings["imageName"]
        if (await tools.call([self.program, "image", "inspect", image])).code == 0:
            return
        with tools.registry_logins(settings) as logins:
            pulled = await tools.call(self.pull_arguments(image, logins))
        if pulled.code:
            raise tools.ToolError(tools.invalid_image(image, pulled.reason))

    async def _start(
        self, launch: Launch, name: str, environment: dict[str, str], running: Callable[[], None], grace: float
    ) -> Outcome:
        """The attached client hands signals on to the container, and ends with it."""
        attached = Command([self.program, "start", "--attach", name], environment, launch.directory)
        code = await run_process(attached, running, grace)
        return outcome_of_container(code, await tools.call([self.program, "inspect", "--type", "container", name]))


def outcome_of_container(code: int, inspected: tools.Answer) -> Outcome:
    """What `docker inspect` says of an ended container; the client's own exit code where it says nothing."""
    if inspected.code:
        return Outcome(code, container_info={"containerId": "", "state": "unknown", "error": inspected.reason})
    container = json.loads(inspected.output)[0]
    state = container["State"]
    error = state.get("Error") or ("The container was out of memory" if state.get("OOMKilled") else "")
    info = {"containerId": container["Id"], "state": state["Status"], "error": error}
    if state.get("Error"):
        missing = any(words in error for words in _NOT_FOUND)
        return Outcome(None, tools.program_not_found(error) if missing else tools.invalid_settings(error), info)
    return Outcome(state["ExitCode"], container_info=info)


def _is_the_clients(variable: str) -> bool:
    return variable.upper().startswith(_OF_THE_CLIENT)
