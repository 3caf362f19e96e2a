"""What an error of the Azure SDK means, and what to do about it. Pure: from an exception to one of this project's."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ssl import SSLError
from typing import cast

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)
from azure.core.rest import HttpResponse
from urllib3.exceptions import NameResolutionError
from urllib3.exceptions import SSLError as HttpsError

from tasks.errors import AuthenticationError, ConfigurationError, EtlError, FatalError, TransientError

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_CODES = frozenset(
    {"ContainerBeingDeleted", "ContainerBeingCreated", "AccountBeingCreated", "LeaseAlreadyPresent"}
)
_SKEW = timedelta(minutes=10)  # the service admits 15, either way

_COMPARE = "Compare ETL_LAKE_ACCOUNT_KEY, ETL_LAKE_CONNECTION_STRING or the block with the account's access keys."
_ROLE = "Give the identity the role Storage Blob Data Contributor on the account."
# https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
_REFUSALS = {
    "AuthenticationFailed": f"The key, or the identity's token, is not one of this account. {_COMPARE}",
    "InvalidAuthenticationInfo": f"The key, or the identity's token, is not one of this account. {_COMPARE}",
    "AuthorizationFailure": f"The key is wrong, or the account's firewall does not admit this machine. {_COMPARE}",
    "AuthorizationPermissionMismatch": f"The identity, or the signature, may not do this. {_ROLE}",
    "InsufficientAccountPermissions": f"The identity, or the signature, may not do this. {_ROLE}",
    "AuthorizationSourceIPMismatch": "The signature is for other addresses than this machine's. Make another.",
    "KeyBasedAuthenticationNotPermitted": f"The account takes no keys. Unset the key or connection string. {_ROLE}",
    "AccountIsDisabled": "The account is disabled. Enable it, or give the URL of another.",
}
_MISTAKES = {
    "AccountRequiresHttps": "The account is reached by https:// only.",
    "ResourceNotFound": "There is no such storage account.",
    "InvalidHeaderValue": "If it is Azurite, it is older than the SDK: start it with --skipApiVersionCheck.",
}


class UnreachableError(TransientError):
    """No connection came about: the address is wrong, or nothing listens there at the moment."""


def explained(error: AzureError, doing: str, account: str, now: datetime | None = None) -> EtlError:
    """The error of this project that says what happened while `doing` something in the lake at `account`."""
    where = f"{doing} in the lake {account}"
    refused = isinstance(error, HttpResponseError) and error.status_code in (401, 403)
    if isinstance(error, ClientAuthenticationError) and not refused:
        return AuthenticationError(
            f"{where} needs an identity, and none was found: {_line(error)} On Azure, give the node pool a managed "
            "identity with the role Storage Blob Data Contributor; elsewhere `az login`, or set ETL_LAKE_ACCOUNT_KEY."
        )
    if isinstance(error, HttpResponseError) and error.response is not None:
        return _answered(error, where, now or datetime.now(UTC))
    if isinstance(error, ServiceRequestError):
        return _unreached(error, where)
    return TransientError(f"{where} broke off: {type(error).__name__}: {_line(error)} Run again.")


def code(error: AzureError) -> str:
    """The service's own name of the error, `BlobNotFound` for one; empty where no answer came."""
    name = getattr(error, "error_code", None)
    return str(getattr(name, "value", name) or "")


def _answered(error: HttpResponseError, where: str, now: datetime) -> EtlError:
    status = error.status_code or 0
    reason = code(error)
    answer = f"{where} was answered {status} {reason}".strip()
    if status in _PASSING or reason in _PASSING_CODES:
        return TransientError(f"{answer}, again and again. Run again later.", _retry_after(error))
    if status in (401, 403):
        advice = _clock(error, now) or _token(error) or _REFUSALS.get(reason) or _said(error)
        return AuthenticationError(f"{answer}. {advice}")
    if status in (400, 404):
        return ConfigurationError(f"{answer}. {_MISTAKES.get(reason) or _said(error)} Check ETL_LAKE_URL.")
    return FatalError(f"{answer}. {_said(error)}")


def _clock(error: HttpResponseError, now: datetime) -> str | None:
    """What to do about a clock that is so far off that the service refuses what it signs; None where it is not."""
    detail, ahead = _detail(error), _ahead(error, now)
    if abs(ahead) >= _SKEW:
        wrong = f"{abs(ahead)} {'ahead of' if ahead > timedelta(0) else 'behind'} the service's"
    elif "date header" in detail.lower():
        wrong = f"wrong: {detail}"
    else:
        return None
    return f"This machine's clock is {wrong}, so what it signs is refused. Set it: `timedatectl set-ntp true`."


def _token(error: HttpResponseError) -> str | None:
    """What to do about an identity's token that is refused for its own sake."""
    detail = _detail(error)
    if "token" not in detail.lower() and "lifetime" not in detail.lower():
        return None
    return (
        f"The identity's token is refused: {detail.rstrip('.')}. Check the machine's clock, and the identity's tenant."
    )


def _detail(error: HttpResponseError) -> str:
    """Why the service refused a request, where it says so."""
    return str((getattr(error, "additional_info", None) or {}).get("authenticationerrordetail") or "")


def _ahead(error: HttpResponseError, now: datetime) -> timedelta:
    """How far this machine's clock is ahead of the service's, to the second. Zero where the answer has no date."""
    try:
        theirs = parsedate_to_datetime(_header(error, "date"))
    except ValueError:
        return timedelta(0)
    return timedelta(seconds=round((now - theirs).total_seconds()))


def _unreached(error: ServiceRequestError, where: str) -> EtlError:
    causes = _causes(error)
    if any(isinstance(c, (SSLError, HttpsError)) for c in causes):
        return ConfigurationError(
            f"{where}: the server's certificate is not trusted. If it is a private one, name its authority in "
            "REQUESTS_CA_BUNDLE and SSL_CERT_FILE."
        )
    if any(isinstance(c, (NameResolutionError, socket.gaierror)) for c in causes):
        return UnreachableError(f"{where}: the host's name is not known.")
    if any(isinstance(c, ConnectionRefusedError) for c in causes):
        return UnreachableError(f"{where}: nothing listens there.")
    return UnreachableError(f"{where}: no connection: {type(causes[-1]).__name__}.")


def _causes(error: BaseException) -> list[BaseException]:
    """The error, and all that it was made from: requests and urllib3 keep theirs in different places."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or cause in found:
            continue
        found.append(cause)
        inner = [getattr(cause, "inner_exception", None), getattr(cause, "reason", None), *cause.args]
        waiting += [cause.__context__, cause.__cause__, *(i for i in inner if isinstance(i, BaseException))]
    return found


def _retry_after(error: HttpResponseError) -> float | None:
    value = _header(error, "retry-after")
    return float(value) if value.isdecimal() else None


def _header(error: HttpResponseError, name: str) -> str:
    return str(cast("HttpResponse", error.response).headers.get(name, ""))


def _said(error: HttpResponseError) -> str:
    return f"The service says: {_line(error)}"


def _line(error: AzureError) -> str:
    first = str(error.message or error).strip().splitlines()[:1]
    return "".join(first).rstrip(".") + "."
