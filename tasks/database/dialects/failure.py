"""What a driver says went wrong, and the errors that the machinery of a transaction has to tell from others."""

from dataclasses import dataclass

from tasks.errors import FatalError, TransientError


@dataclass(frozen=True)
class Failure:
    """`text` has no query and no value of one in it, for it goes into messages."""

    text: str
    state: str = ""  # SQLSTATE, where the driver tells it
    number: int = 0  # the server's own number of the error, where it has such


class LockedError(TransientError):
    """A lock did not come in time. The store can be asked who holds it when the transaction is undone."""


class LostConnectionError(TransientError):
    """The connection is gone, and the server undoes its transaction."""


class NothingToUndoError(FatalError):
    """A rollback found no transaction: the failure before it has ended it."""
