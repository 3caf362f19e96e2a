"""Containers of buildah with chroot isolation: an image's files without a daemon, and inside another container too.

Its network and process table are the machine's, and nothing limits its memory or processors.
"""

import asyncio
import json
import logging
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from azure_batch_emulator.execution.containers import container_tool as tools
from azure_batch_emulator.execution.containers.buildah_options import read_options
from azure_batch_emulator.execution.environment import AccountFacts
from azure_batch_emulator.execution.executor import JsonObject, Launch, Outcome
from azure_batch_emulator.execution.processes import Command, run_process

logger = logging.getLogger(__name__)

# Inside the container: output and exit code go straight into files. buildah would hand the output on through a pipe,
# of which now and then (one time in fifty, with 1.28.2) nothing arrives, and tells a signal only in a message there.
_SHELL = """
out=$1 err=$2 code=$3
shift 3
command -v -- "$1" >/dev/null 2>&1 || { echo missing >"$code"; exit 127; }
(exec "$@" >"$out" 2>"$err")
echo $? >"$code"
"""
_CODE = "exit-code"


@dataclass(frozen=True)
class BuildahTool:
    program: str = "buildah"

    async def run(self, launch: Launch, account: AccountFacts, running: Callable[[], None], grace: float) -> Outcome:
        settings = launch.container_settings or {}
        name = f"azbatch-{uuid.uuid4().hex}"
        try:
            image = await self._get(settings)
            created = await tools.call([self.program, "from", "--pull-never", "--name", name, settings["imageName"]])
            if created.code:
                return Outcome(None, tools.invalid_settings(created.reason))
            try:
                with TemporaryDirectory(prefix=f"{name}-") as report:
                    environment = tools.container_environment(launch, account)
                    arguments = self.run_arguments(launch, name, image, environment, report)
                    # The mark by which processes are known is to be in the environment of buildah's own as well.
                    own = {**os.environ, "AZ_BATCH_TASK_DIR": str(launch.directory)}
                    command = Command(arguments, own, launch.directory, output=Path(report))
                    await run_process(command, running, grace)
                    return _outcome(name, Path(report))
            finally:
                await asyncio.shield(tools.call([self.program, "rm", name]))
        except tools.ToolError as error:
            return Outcome(None, error.failure)

    def run_arguments(
        self, launch: Launch, name: str, image: JsonObject, environment: dict[str, str], report: str
    ) -> list[str]:
        """The whole command line of `buildah run`. `image` is the OCI configuration: buildah ignores its ENTRYPOINT.
        `report` is a folder for the exit code.
        """
        options = read_options(tools.run_options(launch.container_settings or {}))
        if options.without_effect:
            logger.warning("%s has no effect under chroot isolation", ", ".join(options.without_effect))
        arguments = [self.program, "run", "--isolation", "chroot", "--user", options.user or tools.user(launch)]
        for volume in [f"{report}:{report}", *tools.bind_mounts(launch), *options.volumes]:
            arguments += ["--volume", volume]
        if directory := options.directory or tools.working_directory(launch):
            arguments += ["--workingdir", directory]
        for setting in [*(f"{key}={value}" for key, value in environment.items()), *options.environment]:
            arguments += ["--env", setting]
        files = [f"{launch.directory}/stdout.txt", f"{launch.directory}/stderr.txt", f"{report}/{_CODE}"]
        shell = ["/bin/sh", "-c", _SHELL, "sh", *files]
        return [*arguments, name, "--", *shell, *_words(launch, image, options.entrypoint)]

    def pull_arguments(self, image: str, logins: str | None) -> list[str]:
        return [self.program, "pull", *([] if logins is None else ["--authfile", f"{logins}/config.json"]), image]

    async def _get(self, settings: JsonObject) -> JsonObject:
        """The image's OCI configuration, after pulling it where it is not there."""
        image = settings["imageName"]
        inspect = [self.program, "inspect", "--type", "image", image]
        found = await tools.call(inspect)
        if found.code:
            with tools.registry_logins(settings) as logins:
                pulled = await tools.call(self.pull_arguments(image, logins))
            if pulled.code:
                raise tools.ToolError(tools.invalid_image(image, pulled.reason))
            found = await tools.call(inspect)
        if found.code:
            raise tools.ToolError(tools.invalid_image(image, found.reason))
        config: JsonObject = json.loads(found.output)["OCIv1"].get("config") or {}
        return config


def _words(launch: Launch, image: JsonObject, entrypoint: str | None) -> list[str]:
    """As docker puts them together: the task's command line takes the place of CMD, after the ENTRYPOINT."""
    given = tools.command_words(launch)
    if entrypoint is None:
        words = [*(image.get("Entrypoint") or []), *(given or image.get("Cmd") or [])]
    else:
        words = [*([entrypoint] if entrypoint else []), *given]
    if not words:
        reason = "No command line is given, and the image has neither ENTRYPOINT nor CMD"
        raise tools.ToolError(tools.invalid_settings(reason))
    return words


def _outcome(name: str, report: Path) -> Outcome:
    """By the exit code that the shell left; without one buildah could not run it, and says why."""
    try:
        code = (report / _CODE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        code = ""
    said = (report / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines() or [
        "buildah gave no reason"
    ]
    info = {"containerId": name, "state": "exited", "error": ""}
    if code == "missing":
        reason = "The image does not have the program, or it is not executable"
        return Outcome(None, tools.program_not_found(reason), {**info, "error": reason})
    if not code:
        reason = f"{said[-1]} (the image needs a /bin/sh to be run by this emulator's buildah)"
        return Outcome(None, tools.invalid_settings(reason), {**info, "error": reason})
    return Outcome(int(code), container_info=info)
