"""Transactions on a connection: everything is kept, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tasks.database.connection import Connection
from tasks.database.dialects.dialect import Statements
from tasks.database.dialects.failure import LockedError, LostConnectionError, NothingToUndoError
from tasks.errors import EtlError


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """Keeps what is done inside when it ends well. Raises TransientError when another run does not let it begin."""
    _begin(connection)
    try:
        yield
        connection.execute(connection.dialect.commit)
    except BaseException as error:  # of the parts' source, or an interrupt: the store must not keep half of anything
        _undo(connection, (connection.dialect.rollback,), error)
        raise


@contextmanager
def reading(connection: Connection) -> Iterator[None]:
    """Keeps nothing."""
    try:
        for statement in connection.dialect.begin_reading:
            connection.execute(statement)
        yield
    except BaseException as error:
        _undo(connection, connection.dialect.end_reading, error)
        raise
    _undo(connection, connection.dialect.end_reading)


def _begin(connection: Connection) -> None:
    rollback = (connection.dialect.rollback,)
    try:
        for statement in connection.dialect.begin:
            connection.execute(statement)
    except LockedError as error:
        _undo(connection, rollback, error)
        raise LockedError(f"{error}{_holders(connection)}") from error
    except BaseException as error:
        _undo(connection, rollback, error)
        raise


def _undo(connection: Connection, statements: Statements, after: BaseException | None = None) -> None:
    # A full disk may have ended the transaction already; a server ends it when the connection is gone, and what its
    # driver then says to anything may have no words in it.
    is_lost = isinstance(after, LostConnectionError)
    for statement in statements:
        with suppress(EtlError if is_lost else NothingToUndoError, LostConnectionError):
            connection.execute(statement)


def _holders(connection: Connection) -> str:
    query = connection.dialect.lock_holders()
    if query is None:
        return ""
    try:
        holders = connection.fetch(query).to_series().to_list()
    except EtlError:  # that it may not be asked is not the news
        return ""
    return f" Its lock is held by {', '.join(holders)}." if holders else ""
