"""Names of partitions that any disk keeps, and keeps apart: what people choose becomes a folder of the lake.

A lake moves between Azure, where every name is good, and folders of Windows and macOS. So a name that one of them
cannot have is refused when it is new, wherever the lake is. What is there already can be read and written as ever.
"""

import re
from collections.abc import Iterable

from tasks.errors import ConfigurationError

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f-\x9f]')
_LONGEST = 120  # bytes, so that the whole path fits into the 259 characters that Windows has


def check_portable(partition: str) -> None:
    """Raises ConfigurationError for a name, of folders with `/` between them, that some disk cannot have."""
    for folder in partition.split("/"):
        if reason := _reason(folder):
            raise ConfigurationError(f"{folder!r} cannot be the name of a folder on every system: {reason}.")


def check_apart(partition: str, others: Iterable[str]) -> None:
    """Raises ConfigurationError where one of the others would be in the same folder on Windows or macOS."""
    for other in others:
        if other != partition and other.casefold() == partition.casefold():
            raise ConfigurationError(
                f"There is {other!r} already, which is the same as {partition!r} for Windows and macOS. Take that "
                "name, or one that differs in more than its capitals."
            )


def _reason(folder: str) -> str | None:
    """Why it is no name for a folder, and what to do."""
    if folder in {"", ".", ".."}:
        return "it names no folder; write one between the slashes"
    if device := _DEVICES.match(folder):
        return f"Windows has a device {device[1].upper()}; add something in front"
    if found := _FORBIDDEN.search(folder):
        return f"Windows knows no {found[0]!r} in names; take another character"
    if folder[-1] in ". ":
        return "Windows drops a dot or space at the end; leave it out"
    if len(folder.encode("utf-8", "surrogatepass")) > _LONGEST:
        return f"it has more than {_LONGEST} bytes; shorten it"
    return None
