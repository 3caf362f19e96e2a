"""One way to call Blob Storage: what may pass is tried again, and what stays is said in this project's errors."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import stamina
from azure.core.exceptions import AzureError

from tasks.errors import ConfigurationError, TransientError
from tasks.lake.azure.errors import UnreachableError, explained

_T = TypeVar("_T")
_FIRST_TRIES = 3  # of an address that never answered: more likely wrong than down


@dataclass(frozen=True)
class Patience:
    """How long the storage service is waited for."""

    attempts: int = 8
    wait: float = 0.25  # seconds before the second try; doubles from try to try
    longest_wait: float = 20.0
    timeout: float = 60.0  # seconds for connecting, and between bytes of an answer


class Calls:
    """Safe to use from several threads at once."""

    def __init__(self, account: str, patience: Patience) -> None:
        self._account = account
        self._reached = False
        self._again = stamina.RetryingCaller(
            attempts=patience.attempts,
            timeout=None,
            wait_initial=patience.wait,
            wait_max=patience.longest_wait,
            wait_jitter=patience.wait,
        )

    def __call__(self, doing: str, action: Callable[[], _T]) -> _T:
        """What `action` returns; `doing` says in an error's message what was tried.

        `action` may run several times, also when the service has done it and only its answer was lost. Raises
        AuthenticationError and ConfigurationError at once, TransientError when no attempt helped."""
        failures = itertools.count(1)

        def again(error: Exception) -> bool | float:
            if not isinstance(error, TransientError):
                return False
            if isinstance(error, UnreachableError) and not self._reached:
                return next(failures) < _FIRST_TRIES
            return error.retry_after or True

        try:
            return self._again.on(again)(self._once, doing, action)
        except UnreachableError as error:
            if self._reached:
                raise
            raise ConfigurationError(
                f"{error} Check ETL_LAKE_URL: the account's name, that it exists, and that this machine may reach it."
            ) from None

    def _once(self, doing: str, action: Callable[[], _T]) -> _T:
        try:
            result = action()
        except AzureError as error:
            raised = explained(error, doing, self._account)
            self._reached = self._reached or not isinstance(raised, UnreachableError)
            # Without its cause: the SDK's own text holds the URL, and with it a signature.
            raise raised from None
        self._reached = True
        return result
