"""What SQL Server's errors become, by its numbers, SQLSTATE and words."""

import pytest

from tasks.database.dialects.failure import Failure, LockedError, LostConnectionError
from tasks.database.dialects.sqlserver.dialect import SqlServer
from tasks.errors import AuthenticationError, ConfigurationError, ContractError, EtlError, FatalError, TransientError

SERVER = SqlServer("SQL Server database prices at server", 30.0)


@pytest.mark.parametrize(
    ("number", "state", "text", "kind"),
    [
        (18456, "28000", "Login failed for user 'etl'.", AuthenticationError),
        (4060, "42000", "Cannot open database", ConfigurationError),
        (40615, "42000", "Client with IP address is not allowed", ConfigurationError),
        (40613, "HY000", "Database is not currently available", TransientError),
        (1205, "40001", "deadlock victim", TransientError),
        (1222, "42000", "Lock request time out period exceeded.", LockedError),
        (50000, "42000", "sp_getapplock returned -1", LockedError),
        (2627, "23000", "Violation of PRIMARY KEY constraint", ContractError),
        (2628, "22001", "String or binary data would be truncated", ContractError),
        (8152, "22001", "String or binary data would be truncated.", ContractError),
        (262, "42000", "CREATE TABLE permission denied", ConfigurationError),
        (9002, "42000", "The transaction log is full", FatalError),
        (208, "42S02", "Invalid object name 'nowhere'.", ConfigurationError),
        (0, "08S01", "Communication link failure", LostConnectionError),
        (0, "08001", "SSL Provider: certificate verify failed: self-signed certificate", ConfigurationError),
        (0, "08001", "Invalid value specified for connection string attribute 'Encrypt'", ConfigurationError),
        (0, "08001", "TCP Provider: Error code 0x2749", TransientError),
        (0, "HYT00", "Login timeout expired", TransientError),
        (0, "IM002", "Data source name not found", ConfigurationError),
        (99999, "HY000", "something new", FatalError),
    ],
)
def test_failures_are_explained(number: int, state: str, text: str, kind: type[EtlError]) -> None:
    found = SERVER.explained(Failure(text, state, number))

    assert type(found) is kind
    assert "SQL Server database prices at server" in str(found)
    assert text in str(found)


def test_a_lock_that_does_not_come_says_how_long_it_was_waited_for() -> None:
    found = SERVER.explained(Failure("sp_getapplock returned -1", "42000", 50000))

    assert "within 30 s" in str(found)
    assert "lock_timeout" in str(found)
