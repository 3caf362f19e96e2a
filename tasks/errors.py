"""What can go wrong, named by what the caller can do about it.

EtlError
├── TransientError            trying again may help; may carry retry_after
└── FatalError                trying again cannot help
    ├── AuthenticationError   the source, store or service refused the credentials
    ├── QuotaExhausted        keep what was fetched, resume after the reset; may carry retry_after
    ├── ContractError         data or table does not match its contract
    └── ConfigurationError    a setting is missing or makes no sense

Every message says what was tried, on what, and what to do. Secrets are redacted when a message is made.
"""

from tasks.redaction import redact


class EtlError(Exception):
    """The root of all errors that this project raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


class TransientError(EtlError):
    """Trying again may help. `retry_after` is the wait in seconds that the other side asked for."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FatalError(EtlError):
    """Trying again, with nothing changed, cannot help."""


class AuthenticationError(FatalError):
    """The source, store or service refused the credentials."""


class QuotaExhausted(FatalError):  # noqa: N818 - it names a state of the account, and the design calls it so
    """The account's quota is used up: what was fetched is kept, and the run can be resumed after the reset, which is in
    `retry_after` seconds where that is known."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ContractError(FatalError):
    """Data or a table does not match its contract."""


class ConfigurationError(FatalError):
    """A setting or a parameter is missing or makes no sense."""
