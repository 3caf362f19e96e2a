"""What SQLite's failures mean, and what to do. The driver passes on SQLite's texts, without its codes."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tasks.database.dialects.failure import LockedError, NothingToUndoError
from tasks.database.dialects.sqlite.file import lock_holders
from tasks.errors import ConfigurationError, ContractError, EtlError, FatalError, TransientError


@dataclass(frozen=True)
class _Meaning:
    signs: tuple[str, ...]  # any of these in the text
    kind: type[EtlError]
    message: str  # with {path} and {text}


_MEANINGS = (
    _Meaning(
        ("no transaction is active",),
        NothingToUndoError,
        "The warehouse {path} has no transaction to roll back: the failure before it has ended it.",
    ),
    _Meaning(
        ("disk is full",),
        FatalError,
        "The disk is full: the warehouse {path}, or the temporary folder, could not be written. "
        "The warehouse is as it was before. Free some space and load again.",
    ),
    _Meaning(
        ("readonly database", "read-only"),
        ConfigurationError,
        "The warehouse {path} may only be read: an exported or extracted query may never write. For a load, "
        "change the mode of the file and its folder, or point ETL_WAREHOUSE_URL at a file that this user may write.",
    ),
    _Meaning(
        ("file is not a database",),
        ConfigurationError,
        "The warehouse {path} is not a SQLite database, or an encrypted one. "
        "Point ETL_WAREHOUSE_URL at a database, or at a file that does not exist yet.",
    ),
    _Meaning(
        ("unable to open", "failed to open"),
        ConfigurationError,
        "The warehouse {path} cannot be opened. Check that its folder exists and that this user may write "
        "there, or change ETL_WAREHOUSE_URL.",
    ),
    _Meaning(
        ("malformed",),
        FatalError,
        "The warehouse {path} is damaged ({text}). Restore it, or move it away: it is then made anew and "
        "loaded whole from the lake.",
    ),
    _Meaning(
        ("disk I/O error",),
        TransientError,
        "The warehouse {path} could not be read or written (I/O error). Check the disk or network share that "
        "it is on, and try again.",
    ),
    _Meaning(
        ("UNIQUE constraint failed",),
        ContractError,
        "Rows for the warehouse {path} have a key that is there already ({text}). Nothing was loaded. "
        "Load with mode upsert, or find out why two parts have the same key.",
    ),
    _Meaning(
        ("constraint failed", "string or blob too big", "cannot modify"),
        ContractError,
        "The warehouse {path} refuses rows ({text}). Nothing was loaded. Correct the rows, or the table.",
    ),
    _Meaning(
        ("Type mismatch in column",),
        ContractError,
        "The answer of the warehouse {path} has a column of several types ({text}). "
        "Give the column one type with CAST(... AS ...).",
    ),
    _Meaning(
        ("Failed to prepare query", "parameter count mismatch", "no such", "syntax error"),
        ConfigurationError,
        "The warehouse {path} refuses the query ({text}). Correct the query, or load the dataset first.",
    ),
)


def explained(text: str, path: Path, lock_timeout: float) -> EtlError:
    if "is locked" in text:
        return _locked(path, lock_timeout)
    for meaning in _MEANINGS:
        if any(sign in text for sign in meaning.signs):
            return meaning.kind(meaning.message.format(path=path, text=text))
    return FatalError(f"The warehouse {path} failed: {text}. Look SQLite's text up in its documentation.")


def _locked(path: Path, lock_timeout: float) -> LockedError:
    holders = lock_holders(path)
    who = f"Its lock is held by {', '.join(holders)}" if holders else _who_else(path)
    return LockedError(
        f"The warehouse {path} is in use by another writer or reader, and did not become free within "
        f"{lock_timeout:g} s. {who}. Try again when it has ended, or wait longer with ?lock_timeout=... in "
        "ETL_WAREHOUSE_URL."
    )


def _who_else(path: Path) -> str:
    """How to find out where the system does not tell this process."""
    if sys.platform == "win32":
        return f"Resource Monitor shows who holds it: look for {path.name} among the handles on its page CPU"
    return f"`lsof {path}` shows who holds it"
