"""How an instrument's code is written: `AAPL.US`."""

import re
from collections.abc import Iterable

from tasks.errors import ConfigurationError

LONGEST_CODE = 40  # characters, as in the contract of prices
_NAME = re.compile(r"""((?![/\\?#%"])[!-~])+""")  # what a URL can carry without an escape


def qualified(codes: Iterable[str], exchange: str) -> list[str]:
    """The distinct codes in order, upper case, with the exchange's suffix where they have none.

    Raises ConfigurationError for what cannot be a code, and for no codes at all."""
    found = {_qualified(code.strip(), exchange) for code in codes}
    if not found:
        raise ConfigurationError("No codes to fetch. Name some, or leave codes empty for all of the exchange.")
    return sorted(found)


def as_listed(codes: Iterable[str], exchange: str) -> list[str]:
    """As `qualified`, of codes that a source lists: what cannot be one stays as it is, and is refused by itself."""
    return sorted({_read(code.strip(), exchange) or code for code in codes})


def _qualified(code: str, exchange: str) -> str:
    if found := _read(code, exchange):
        return found
    raise ConfigurationError(f"{code!r} is not an instrument's code. Codes look like AAPL.US or BRK-B.US.")


def _read(code: str, exchange: str) -> str | None:
    name, _, suffix = (code if "." in code else f"{code}.{exchange}").rpartition(".")
    # Before it is put into upper case: that makes ASCII of some letters that are not.
    if not (_NAME.fullmatch(name) and _NAME.fullmatch(suffix)) or len(name) + len(suffix) >= LONGEST_CODE:
        return None
    return f"{name}.{suffix}".upper()
