"""One bad element never sinks the others: whatever goes wrong with its work is its outcome, with its reason.

Where many codes, files, partitions or tables are worked on, the work of each goes through `attempt` or `attempted`.
What is wrong with all of them alike is raised as ever: credentials, a used-up quota, a setting."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tasks.errors import AuthenticationError, ConfigurationError, EtlError, QuotaExhausted
from tasks.redaction import redact

_Result = TypeVar("_Result")
_OF_ALL = (AuthenticationError, ConfigurationError, QuotaExhausted)
_LONGEST = 500  # characters of a reason that is not in our own words


@dataclass(frozen=True)
class Failure:
    """What the work of one element came to, and why."""

    error: BaseException

    @property
    def reason(self) -> str:
        """On one line, and without secrets."""
        if isinstance(self.error, EtlError):
            return str(self.error)
        return redact(" ".join(f"{type(self.error).__name__}: {self.error}".split()))[:_LONGEST]


def attempt(work: Callable[[], _Result]) -> _Result | Failure:
    """What the work of one element comes to."""
    try:
        return work()
    except BaseException as error:  # noqa: BLE001 - `_failure` raises what is not the element's
        return _failure(error)


async def attempted(work: Awaitable[_Result]) -> _Result | Failure:
    """The same, of work that is awaited."""
    try:
        return await work
    except BaseException as error:  # noqa: BLE001 - `_failure` raises what is not the element's
        return _failure(error)


def _failure(error: BaseException) -> Failure:
    """Raises what is wrong with all elements, and what ends the process or the run."""
    # A panic of a library in Rust is no Exception, and is of the element that the library was given all the same.
    is_own = isinstance(error, Exception) or type(error).__name__ == "PanicException"
    if not is_own or isinstance(error, _OF_ALL):
        raise error
    return Failure(error)
