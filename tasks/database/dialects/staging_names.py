"""The names of staging tables, by which those that a load left behind are known again."""

import re
import secrets

STAGING = "etl_staging_"
_PRIVATE = re.compile(rf"{STAGING}.*_[0-9a-f]{{16}}", re.DOTALL)


def private_name(name: str, longest: int) -> str:
    """A name for a staging table that nobody else has: the given one, cut where needed, and a random end."""
    suffix = f"_{secrets.token_hex(8)}"
    return name[: longest - len(suffix)] + suffix


def is_private(name: str) -> bool:
    """Whether `private_name` has made this name of one that begins with STAGING."""
    return _PRIVATE.fullmatch(name) is not None
