"""What SQL Server's failures mean, and what to do: by its own numbers of errors, else by ODBC's SQLSTATE.

learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
"""

from collections.abc import Collection
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

_WAITED = 1222  # for a lock of a row or a table, as long as SET LOCK_TIMEOUT says
_RAISED = 50000  # by the statement that takes the lock of a load


@dataclass(frozen=True)
class _Meaning:
    kind: type[EtlError]
    message: str  # with {place} and {text}
    numbers: Collection[int] = ()
    states: tuple[str, ...] = ()  # the beginnings of SQLSTATEs
    words: tuple[str, ...] = ()  # for what has neither a number nor a state of its own


_MEANINGS = (
    _Meaning(
        AuthenticationError,
        "{place} refuses the user ({text}). Correct the user or password in ETL_WAREHOUSE_URL; without a user in it, "
        "the machine's identity has to be a user of the database (CREATE USER [...] FROM EXTERNAL PROVIDER).",
        numbers={18452, 18456, 18470, 18486, 18487, 18488, 33134},
        states=("28",),
    ),
    _Meaning(
        ConfigurationError,
        "{place} does not admit this machine ({text}). Add its address to the server's firewall rules.",
        numbers={40615, 40914, 47073},
    ),
    _Meaning(
        ConfigurationError,
        "{place} cannot be opened ({text}). Correct the database in ETL_WAREHOUSE_URL, create it, or give the user "
        "access to it.",
        numbers={911, 916, 4060, 4064, 40532},
        states=("3D",),
    ),
    _Meaning(
        ConfigurationError,
        "{place} cannot be connected to ({text}). Correct the driver and its parameters in ETL_WAREHOUSE_URL.",
        words=("connection string",),
    ),
    _Meaning(
        ConfigurationError,
        "{place} and the driver do not agree on encryption ({text}). Install the authority of the server's certificate "
        "on this machine; for a test server, ?trust_server_certificate=yes in ETL_WAREHOUSE_URL skips the check.",
        words=("certificate", "SSL Provider", "TLS"),
    ),
    _Meaning(
        TransientError,
        "{place} could not go on ({text}). Nothing was loaded. Run it again.",
        numbers={
            *(1205, 3960, 10928, 10929, 10936, 40143, 40197, 40501, 40540, 40549, 40550, 40553, 40613),
            *(42108, 42109, 49918, 49919, 49920),
        },
        states=("40",),
    ),
    _Meaning(
        ContractError,
        "Rows for {place} have a key that is there already ({text}). Nothing was loaded. Load with mode upsert, or "
        "find out why two parts have the same key; to SQL Server, blanks at the end of a text make no difference.",
        numbers={2601, 2627},
    ),
    _Meaning(
        ContractError,
        "{place} refuses rows ({text}). Nothing was loaded. Correct the rows, or the table.",
        numbers={220, 232, 515, 547, 1946, 2628, 8023, 8114, 8115, 8152},
        states=("22", "23"),
    ),
    _Meaning(
        ConfigurationError,
        "{place} does not permit this ({text}). Grant the user what is missing: CREATE TABLE in the database, ALTER, "
        "SELECT, INSERT, UPDATE and DELETE in its schema.",
        numbers={229, 230, 262, 297, 2760, 3906, 15247},
    ),
    _Meaning(
        FatalError,
        "{place} has no room left ({text}). Nothing was loaded. Free some, or raise its limit, and load again.",
        numbers={1101, 1105, 9002, 40544},
    ),
    _Meaning(
        LostConnectionError,
        "The connection to {place} was lost ({text}). What was not committed is undone, and the ledger shows what was: "
        "run the load again.",
        states=("08S", "08003", "08007"),
        words=("Communication link failure", "connection is broken"),
    ),
    _Meaning(
        TransientError,
        "{place} could not be reached ({text}). Check that the server runs and its firewall lets this machine in, and "
        "try again.",
        numbers={-2, 53, 258, 10053, 10054, 10060, 10061, 11001},
        states=("08", "HYT"),
    ),
    _Meaning(
        ConfigurationError,
        "{place} refuses the query ({text}). Correct the query, or load the dataset first.",
        states=("42", "07", "S0", "37"),
    ),
    _Meaning(
        ConfigurationError,
        "{place} cannot be connected to ({text}). Correct the driver and its parameters in ETL_WAREHOUSE_URL.",
        states=("IM", "01"),
    ),
)


def waited_for_a_lock(failure: Failure) -> bool:
    return failure.number in (_WAITED, _RAISED)


def explained(failure: Failure, place: str) -> EtlError:
    by_number = next((m for m in _MEANINGS if failure.number in m.numbers), None)
    meaning = by_number or next((m for m in _MEANINGS if _fits(m, failure)), None)
    if meaning is None:
        return FatalError(f"{place} failed: {failure.text} (error {failure.number}, SQLSTATE {failure.state}).")
    return meaning.kind(meaning.message.format(place=place, text=failure.text))


def _fits(meaning: _Meaning, failure: Failure) -> bool:
    by_state = bool(meaning.states) and failure.state.startswith(meaning.states)
    return by_state or any(word in failure.text for word in meaning.words)
