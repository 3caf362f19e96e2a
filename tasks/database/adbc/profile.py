"""Connection profiles of the ADBC driver manager, checked before one is used.

The manager puts an empty string where a profile names a variable of the environment that is not set, and connects with
it: as another user, or to another database. arrow.apache.org/adbc/current/format/connection_profiles.html
"""

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.errors import ConfigurationError

_VARIABLE = re.compile(r"\{\{\s*env_var\(([^)]*)\)\s*\}\}")


def checked(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The file of a profile, by its name or path. Raises ConfigurationError where there is none, or it lacks something.

    The environment is the one that the driver manager reads: it is not a setting of ours."""
    path = _found(name, environment)
    try:
        profile = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The ADBC profile {path} cannot be read: {error}. Correct it.") from error
    options = profile.get("Options")
    if not isinstance(options, dict) or not profile.get("driver"):
        raise ConfigurationError(f"The ADBC profile {path} has no driver, or no table [Options]. Add them.")
    wanted = {found for text in _texts(options) for found in _VARIABLE.findall(text)}
    if missing := sorted(variable for variable in wanted if not environment.get(variable)):
        raise ConfigurationError(
            f"The ADBC profile {path} takes values from the environment, and these variables are not set: "
            f"{', '.join(missing)}. Set them."
        )
    return path


def _found(name: str, environment: Mapping[str, str]) -> Path:
    given = Path(name).with_suffix(".toml")
    places = [given] if given.is_absolute() else [folder / given for folder in _folders(environment)]
    for path in places:
        if path.is_file():
            return path
    raise ConfigurationError(
        f"There is no ADBC profile {name}; looked for {', '.join(map(str, places))}. Write one, or correct "
        "ETL_WAREHOUSE_URL."
    )


def _folders(environment: Mapping[str, str]) -> list[Path]:
    """Where the driver manager looks, in its order."""
    named = [Path(folder) for folder in environment.get("ADBC_PROFILE_PATH", "").split(os.pathsep) if folder]
    home = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return [Path(sys.prefix, "etc", "adbc", "profiles"), *named, home / "adbc" / "profiles"]


def _texts(options: Mapping[str, Any]) -> Iterator[str]:
    for value in options.values():
        if isinstance(value, dict):
            yield from _texts(value)
        elif isinstance(value, str):
            yield value
