"""What can go wrong with Azure Batch, named by what the caller can do about it.

AzureBatchError
├── ConfigurationError   a variable of the work pool is missing or makes no sense
├── ServiceError         the service answered with an error; it carries the service's own code
│   └── Refused          trying again, with nothing changed, cannot help
├── Unreachable          there was no answer, or none that could be read
└── OutOfTime            the service was busy, throttled us or was full until the deadline had passed

No message contains a secret: what the service says about a request never repeats its credentials.
"""

from collections.abc import Mapping


class AzureBatchError(Exception):
    """The root of all errors that the work pool raises on purpose."""


class ConfigurationError(AzureBatchError):
    """A variable of the work pool is missing or makes no sense; the message names it and says what would."""


class ServiceError(AzureBatchError):
    """`code` is the service's (`JobNotFound`), or empty where an answer has no body. `retry_after` is in seconds."""

    def __init__(
        self,
        what: str,
        status: int,
        code: str,
        message: str,
        *,
        values: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        details = "".join(f" {key}: {value}." for key, value in (values or {}).items())
        super().__init__(f"Azure Batch could not {what}: {code or status}: {message}{details}")
        self.what, self.status, self.code = what, status, code
        self.message, self.values, self.retry_after = message, dict(values or {}), retry_after


class Refused(ServiceError):  # noqa: N818 - it names what the service did
    """Trying again, with nothing changed, cannot help."""


class Unreachable(AzureBatchError):  # noqa: N818 - it names a state of the service
    """There was no answer, or none that could be read: the work may have been done, or not."""


class OutOfTime(AzureBatchError):  # noqa: N818 - it names a state of the caller
    """The service was busy, throttled us or was full until the deadline had passed; the last error is the cause."""
