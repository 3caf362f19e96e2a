"""Who may call: the account's shared key, verified as the service does, or a bearer token."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from azure_batch_emulator.protocol.errors import BatchError

AUDIENCE = "https://batch.core.windows.net/"
CLOCK_SKEW = timedelta(minutes=15)
SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)

BearerCheck = Callable[[str, datetime], str | None]
"""Token and real time to what is wrong with the token, None when it is accepted."""


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that a signature covers, as they came over the wire."""

    method: str
    raw_path: str
    query: tuple[tuple[str, str], ...]
    """Decoded, in the order of the request."""
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True)
class Authentication:
    """Credentials of one account. `shared_key` None: shared keys are disabled, as an account's owner may choose."""

    account: str
    shared_key: str | None
    bearer: BearerCheck

    def verify(self, request: SignedRequest, now: datetime) -> None:
        """`now` is the real time, not the emulated: clients sign with their own clock.

        Raises: BatchError AuthenticationFailed, with AuthenticationErrorDetail.
        """
        header = request.headers.get("authorization", "")
        scheme, _, credential = header.partition(" ")
        if scheme.lower() == "sharedkey":
            self._verify_shared_key(request, credential.strip(), now)
        elif scheme.lower() == "bearer":
            problem = self.bearer(credential.strip(), now)
            if problem:
                raise refused(problem)
        else:
            raise refused("The Authorization header is missing or its scheme is neither SharedKey nor Bearer.")

    def _verify_shared_key(self, request: SignedRequest, credential: str, now: datetime) -> None:
        if self.shared_key is None:
            raise refused("The specified type of authentication SharedKey is not allowed for this account.")
        account, _, signature = credential.partition(":")
        if account != self.account:
            raise refused(f"The account '{account}' of the Authorization header is not the account of this endpoint.")
        _check_date(request.headers, now)
        for text in strings_to_sign(request, account):
            if hmac.compare_digest(sign(text, self.shared_key), signature):
                return
        shown = next(strings_to_sign(request, account))
        raise refused(
            f"The MAC signature found in the HTTP request '{signature}' is not the same as any computed signature. "
            f"Server used following string to sign: '{shown}'."
        )


def strings_to_sign(request: SignedRequest, account: str) -> Iterator[str]:
    """What may have been signed. Clients differ in how they spell the path and the names of the query.

    Query names as they were sent (the SDKs) or in lower case (the documentation); the path as it was sent, or as the
    SDK spelled it before its asynchronous transport wrote `:` for `%3A`.
    Source: https://learn.microsoft.com/rest/api/batchservice/authenticate-requests-to-the-azure-batch-service
    """
    headers = dict(request.headers)
    if request.method not in ("GET", "HEAD"):
        headers.setdefault("content-length", "0")
    lines = [request.method, *(headers.get(name, "") for name in SIGNED_HEADERS)]
    lines += [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("ocp-") and headers[name]]
    values: dict[str, str] = {}
    for name, value in request.query:
        if value:
            values.setdefault(name, value)
    lower = {name.lower(): value for name, value in values.items()}
    requoted = "/".join(quote(unquote(part), safe="") for part in request.raw_path.split("/"))
    for path in dict.fromkeys((request.raw_path, requoted)):
        head = "\n".join(lines) + f"\n/{account}{path}"
        for query in (values, lower):
            yield head + "".join(f"\n{name}:{query[name]}" for name in sorted(query))


def sign(text: str, key: str) -> str:
    """Base64 of the HMAC-SHA256 of `text` with a base64 key."""
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def accept_any(_token: str, _now: datetime) -> str | None:
    """Every token is good."""
    return None


def refuse_all(_token: str, _now: datetime) -> str | None:
    """No token is good: an account that knows shared keys only."""
    return "The specified type of authentication AAD is not allowed for this account."


def accept_audience(token: str, now: datetime) -> str | None:
    """Tokens that name the Batch service and are not expired. Signatures are not verified: there is no issuer."""
    claims = _claims(token)
    if claims is None:
        return "The access token is not a JSON Web Token."
    if claims.get("aud") != AUDIENCE:
        return (
            f"The access token has been obtained from wrong audience or resource '{claims.get('aud')}'. "
            f"It should exactly match (including forward slash) with one of the allowed audiences '{AUDIENCE}'."
        )
    expires = claims.get("exp")
    if not isinstance(expires, int | float) or expires < now.timestamp():
        return "The access token expiry UTC time is in the past or not given."
    return None


def refused(detail: str) -> BatchError:
    """The service's refusal, with the reason."""
    return BatchError("AuthenticationFailed", values={"AuthenticationErrorDetail": detail})


def _claims(token: str) -> dict[str, object] | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def _check_date(headers: Mapping[str, str], now: datetime) -> None:
    text = headers.get("ocp-date") or headers.get("date")
    if not text:
        raise refused("Neither the ocp-date nor the Date header was specified.")
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        raise refused(f"The date header value '{text}' is not in the RFC 1123 format.") from None
    if moment.tzinfo is None or abs(moment - now) > CLOCK_SKEW:
        raise refused(
            f"The date header in the request is incorrect, since its value '{text}' differs by more than 15 minutes "
            f"from the time of the server, '{now:%a, %d %b %Y %H:%M:%S} GMT'."
        )
