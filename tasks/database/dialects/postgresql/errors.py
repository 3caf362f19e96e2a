"""What PostgreSQL's failures mean, and what to do: by SQLSTATE, and before there is one by libpq's text.

postgresql.org/docs/current/errcodes-appendix.html
"""

from dataclasses import dataclass

from tasks.database.dialects.failure import Failure, LostConnectionError
from tasks.errors import (
    AuthenticationError,
    ConfigurationError,
    ContractError,
    EtlError,
    FatalError,
    TransientError,
)


@dataclass(frozen=True)
class _Meaning:
    signs: tuple[str, ...]  # any of these begins the SQLSTATE; or, where there is none, is in the text
    kind: type[EtlError]
    message: str  # with {place} and {text}


_LOST = _Meaning(
    (
        "08",
        "57P",
        "terminating connection",
        "no connection to",
        "server closed the connection",
        "SSL SYSCALL",
    ),
    LostConnectionError,
    "The connection to {place} was lost ({text}). What was not committed is undone, and the ledger shows what was: "
    "run the load again.",
)
_BY_STATE = (
    _Meaning(
        ("28",),
        AuthenticationError,
        "{place} refuses the user ({text}). Correct the user or password in ETL_WAREHOUSE_URL, or let the server's "
        "pg_hba.conf admit it.",
    ),
    _Meaning(
        ("3D000",),
        ConfigurationError,
        "{place} does not exist ({text}). Create the database, or correct ETL_WAREHOUSE_URL.",
    ),
    _Meaning(
        ("42501", "25006"),
        ConfigurationError,
        "{place} does not permit this ({text}). Grant the user what is missing, or use one that has it: CREATE and "
        "USAGE on the schema, TEMPORARY on the database. A query that is streamed may never write.",
    ),
    _Meaning(
        ("42", "34", "0A"),
        ConfigurationError,
        "{place} refuses the query ({text}). Correct the query, or load the dataset first.",
    ),
    _Meaning(
        ("23505",),
        ContractError,
        "Rows for {place} have a key that is there already ({text}). Nothing was loaded. Load with mode upsert, or "
        "find out why two parts have the same key.",
    ),
    _Meaning(
        ("22", "23", "08P01"),
        ContractError,
        "{place} refuses rows ({text}). Nothing was loaded. Correct the rows, or the table.",
    ),
    _LOST,
    _Meaning(
        ("40", "53300", "55", "57", "58"),
        TransientError,
        "{place} could not go on ({text}). Nothing was loaded. Run it again.",
    ),
    _Meaning(
        ("53",),
        FatalError,
        "{place} has run out of something ({text}). Nothing was loaded. Free disk or memory there, and load again.",
    ),
)
_BY_TEXT = (
    _Meaning(
        ("authentication failed", "no password supplied", "no pg_hba.conf entry", 'role "'),
        AuthenticationError,
        _BY_STATE[0].message,
    ),
    _Meaning(("does not exist",), ConfigurationError, _BY_STATE[1].message),
    _Meaning(
        ("invalid URI", "invalid connection option", "invalid value", "Name or service not known"),
        ConfigurationError,
        "{place} cannot be connected to ({text}). Correct ETL_WAREHOUSE_URL.",
    ),
    _Meaning(
        ("server does not support SSL", "certificate"),
        ConfigurationError,
        "{place} does not agree on encryption ({text}). Change sslmode or sslrootcert in ETL_WAREHOUSE_URL.",
    ),
    _LOST,
    _Meaning(
        (
            "failed:",
            "could not connect",
            "timeout",
            "Failed to connect",
            "the database system is",
            "not currently accepting connections",
        ),
        TransientError,
        "{place} could not be reached ({text}). Check that the server runs and its firewall lets this machine in, "
        "and try again.",
    ),
)


# Of ODBC's own states, these say no more than that something failed.
_VAGUE = ("", "08001", "HY000")


def explained(failure: Failure, place: str) -> EtlError:
    by_text = failure.state in _VAGUE
    for meaning in _BY_TEXT if by_text else _BY_STATE:
        found = any(s in failure.text for s in meaning.signs) if by_text else failure.state.startswith(meaning.signs)
        if found:
            return meaning.kind(meaning.message.format(place=place, text=failure.text))
    return FatalError(f"{place} failed: {failure.text} (SQLSTATE {failure.state or 'unknown'}).")
