"""Starts what a Batch task executes: resolves its secrets, asks Prefect whether to, and becomes the command.

    batch-launcher [COMMAND [ARGUMENT ...]]          with no command: prefect flow-run execute
    python -m batch_launcher [COMMAND ...]           where the scripts of Python's packages are not on PATH

1. A variable whose value is `@Microsoft.KeyVault(SecretUri=https://VAULT.vault.azure.net/secrets/NAME)` gets that
   secret, read with the node's identity (`AZURE_CLIENT_ID` chooses among several), and handed only to the command.
2. With `PREFECT__FLOW_RUN_ID` set, Prefect is asked whether the flow run is still to be executed: Batch starts a task
   again when its node was preempted or lost, also when what it executes has meanwhile ended, or goes on where Batch
   cannot see it. `AZURE_BATCH_ON_REQUEUE` says what happens then:
     rerun   (default) executed again once the earlier execution shows no sign of life
     crash   not executed again; the run becomes Crashed
     always  executed without asking
   An execution is alive while its heartbeats come, one in `PREFECT_FLOWS_HEARTBEAT_FREQUENCY` seconds (180), and dead
   when three did not. The flow run's label `azure-batch.execution` says where it was last begun: NODE/JOB/TASK.
3. The command finds the programs of the launcher's own environment first on PATH, and its temporary files are in the
   task's working directory (`TMPDIR`).
4. The process becomes the command, which so receives the signals meant for it, and whose exit code is the task's. On
   Windows, where no process can become another, it waits for the command and ends with its exit code.

Exit codes, when the command is not started:

    code   why                                                                     the flow run
    0      nothing to execute: it is final, suspended, or was scheduled again,     stays as it is
           or handed out again: another task is for it now
           nothing to execute: it is being cancelled                               becomes Cancelled
    80     another execution of it is alive                                        stays Running
    81     an earlier execution began it, and AZURE_BATCH_ON_REQUEUE is crash      becomes Crashed
    82     a variable is missing or makes no sense                                 stays as it is
    83     Key Vault refused a secret: no identity, no permission, no such secret  stays as it is
    84     Key Vault could not be reached                                          stays as it is
    85     Prefect's API refused: credentials, or no such flow run                 stays as it is
    86     Prefect's API could not be reached for AZURE_BATCH_API_PATIENCE         stays as it is
           seconds (300)
    126    the command cannot be executed                                          stays as it is
    127    the command is not there                                                stays as it is
    128+n  signal n came before the command was started                            stays as it is
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from batch_launcher.exit_codes import ExitCode, Refusal
from batch_launcher.redaction import redact
from batch_launcher.secret_references import find_references, resolve

_DEFAULT = ["prefect", "flow-run", "execute"]


def main() -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # a process 1 has no default actions; the command gets them back
    secrets: dict[str, str] = {}
    try:
        if references := find_references(os.environ):
            secrets = resolve(references, os.environ.get("AZURE_CLIENT_ID"))
        _launch(sys.argv[1:] or _DEFAULT, _completed({**os.environ, **secrets}))
    except Refusal as refusal:
        sys.stderr.write(f"batch-launcher: {redact(str(refusal), os.environ, secrets.values())}\n")
        sys.exit(refusal.code)


def _completed(environment: dict[str, str]) -> dict[str, str]:
    """The programs beside this one come first, whatever PATH comes from the node. Temporary files go into the task's
    folder on the node's local disk, whose space is plenty and is freed: a container's is on the disk of the system."""
    environment["PATH"] = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), environment.get("PATH")]))
    if (folder := environment.get("AZ_BATCH_TASK_WORKING_DIR")) and not environment.get("TMPDIR"):
        with suppress(OSError):  # a folder that is not there, or not mounted into the container
            (temporary := Path(folder, "tmp")).mkdir(exist_ok=True)
            environment["TMPDIR"] = str(temporary)
    return environment


def _launch(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    if environment.get("PREFECT__FLOW_RUN_ID"):
        # Imported here: a tenth of a second, which a command without a flow run need not wait for.
        from batch_launcher.permission import ask  # noqa: PLC0415

        ask(environment)
    _become(command, environment)


def _become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    try:
        if sys.platform == "win32":
            sys.exit(_run(command, environment))
        os.execvpe(command[0], command, environment)  # noqa: S606 - the command is the task's own, and no shell's
    except (FileNotFoundError, NotADirectoryError):
        raise Refusal(
            ExitCode.NOT_FOUND,
            f"There is no command {command[0]} on PATH. Mend the job variable `command`, or the image.",
        ) from None
    except OSError as error:
        raise Refusal(
            ExitCode.NOT_EXECUTABLE,
            f"The command {command[0]} cannot be executed: {error.strerror}. Mend the job variable `command`.",
        ) from None


def _run(command: list[str], environment: Mapping[str, str]) -> int:
    """The command's exit code. Ctrl-C is for the command alone, which decides how it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        raise FileNotFoundError(command[0])
    return subprocess.run([program, *command[1:]], env=dict(environment), check=False).returncode  # noqa: S603


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.stderr.write(f"batch-launcher: {signal.Signals(number).name} before the command was started\n")
    sys.exit(128 + number)
