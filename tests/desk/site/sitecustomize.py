"""Python imports this when it starts, where `tests.desk` has put its folder on the path: the project's own code then
finds none of the modules that Windows lacks. Other packages keep theirs, for they have other ways on Windows."""

import builtins
from collections.abc import Mapping, Sequence
from types import ModuleType

OURS = {"batch_image", "deployments", "flows", "tasks"}
LACKING = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}

_found = builtins.__import__


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002 - as Python's own has it
    locals: Mapping[str, object] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    importer = str((globals or {}).get("__name__", ""))
    if name in LACKING and importer.partition(".")[0] in OURS:
        raise ModuleNotFoundError(f"{importer} imports {name}, which Windows does not have")
    return _found(name, globals, locals, fromlist, level)


builtins.__import__ = _import
