"""From a task's command line to the arguments of a process on this machine."""

import re
import shlex

_CMD = re.compile(r"\s*cmd(?:\.exe)?(?:\s+/[abd-z]\S*)*\s+/c\s+(?P<command>.*)", re.IGNORECASE | re.DOTALL)
_VARIABLE = re.compile(r"%(\w+)%")


def arguments_of(command_line: str, *, windows: bool) -> list[str]:
    """As an agent splits it, without a shell. There is no `cmd` here: what a Windows node would run in it goes to
    /bin/sh, with %NAME% as ${NAME}. Simple commands (echo, exit, programs joined by &&) mean the same to both; the
    others fail as they would on a node that lacks the program.

    Raises: ValueError for quotes that do not close.
    """
    given = _CMD.fullmatch(command_line) if windows else None
    if given is None:
        return shlex.split(command_line)
    command = given["command"].strip()
    if len(command) > 1 and command[0] == command[-1] == '"':
        command = command[1:-1]
    return ["/bin/sh", "-c", _VARIABLE.sub(r"${\1}", command)]
