"""What is of one element is its outcome; what is of all, or ends the process, is raised."""

import asyncio

import polars as pl
import pytest

from tasks.errors import AuthenticationError, ConfigurationError, ContractError, QuotaExhausted, TransientError
from tasks.isolation import Failure, attempt, attempted


class PanicException(BaseException):
    pass


def failing(error: BaseException) -> object:
    async def later() -> None:
        raise error

    def now() -> None:
        raise error

    found, awaited = attempt(now), asyncio.run(attempted(later()))
    assert isinstance(found, Failure)
    assert isinstance(awaited, Failure)
    assert found.reason == awaited.reason
    return found.reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ContractError("what it said"), "what it said"),
        (TransientError("later"), "later"),
        (RecursionError("too\n deep"), "RecursionError: too deep"),
        (OverflowError("api_token=abcdefgh"), "OverflowError: api_token=***"),
        (MemoryError(), "MemoryError:"),
        (pl.exceptions.ComputeError("x"), "ComputeError: x"),
        (PanicException("index out of bounds"), "PanicException: index out of bounds"),
    ],
)
def test_whatever_goes_wrong_with_one_is_its_outcome(error: BaseException, reason: str) -> None:
    assert failing(error) == reason


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("a"),
        ConfigurationError("c"),
        QuotaExhausted("q"),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
    ],
)
def test_what_is_of_all_is_raised(error: BaseException) -> None:
    with pytest.raises(type(error)):
        attempt(lambda: (_ for _ in ()).throw(error))
