"""What the operating system's errors mean for a lake in a folder, and what to do about them."""

import errno
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ConfigurationError, FatalError, TransientError
from tasks.files import is_held_open

_LONGEST = 259  # characters of a path on Windows, unless long ones are switched on


@contextmanager
def explained(path: Path, leaving: type[OSError] | tuple[()] = ()) -> Iterator[None]:
    """Turns an OSError of this file into an error of this project, in words."""
    try:
        yield
    except leaving:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FatalError(
                f"The disk is full: {path} could not be written ({_free(path)} bytes are free). Free some space and "
                "start the run again; what was published before is whole."
            ) from error
        if is_held_open(error):
            raise TransientError(f"Another program has {path} open. Close it there, and run again.") from error
        if _is_too_long(path, error):
            raise ConfigurationError(
                f"The path {path} is too long for this system: it has {len(str(path))} characters. Point ETL_LAKE_URL "
                "at a folder with a shorter path; on Windows, switch long paths on."
            ) from error
        raise ConfigurationError(
            f"The lake cannot be used: {path}: {error.strerror or error}. Point ETL_LAKE_URL at a folder that this "
            "user may read and write, and where no other program has this file open."
        ) from error


def _is_too_long(path: Path, error: OSError) -> bool:
    """Windows says of a path that is too long that it is not there."""
    if sys.platform == "win32" and isinstance(error, FileNotFoundError):
        return len(str(path)) > _LONGEST
    return error.errno == errno.ENAMETOOLONG


def _free(path: Path) -> int:
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free
