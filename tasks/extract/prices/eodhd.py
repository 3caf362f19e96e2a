"""EODHD's end-of-day API: what to ask, and what its answers mean. Knows no HTTP client."""

import enum
import logging
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from urllib.parse import quote

import msgspec

from tasks.codes import LONGEST_CODE
from tasks.errors import (
    AuthenticationError,
    ConfigurationError,
    ContractError,
    FatalError,
    QuotaExhausted,
    TransientError,
)
from tasks.extract.http import Answer, Http
from tasks.isolation import Failure, attempt
from tasks.redaction import redact
from tasks.sessions.trading_days import LONGEST_CLOSING, sessions
from tasks.window import Window

_log = logging.getLogger(__name__)

_SESSIONS = 10  # that are asked for: more than an exchange is closed for that has no calendar here
_SHORTEST_SECRET = 8  # characters


class Bar(msgspec.Struct, gc=False):
    """One record of `/eod`. The date is ISO text; prices are raw but for the adjusted close."""

    date: str
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    adjusted_close: float | None
    volume: float | None
    warning: str | None = None


class Outcome(enum.StrEnum):
    FETCHED = "fetched"  # bars came
    EMPTY = "empty"  # the source knows the code, and has no session of it in the window
    UNKNOWN = "unknown"  # the source does not know the code
    REFUSED = "refused"  # an answer came that cannot be used: it is kept as received
    FAILED = "failed"  # no answer came, or none that could be used, in all attempts


@dataclass(frozen=True)
class Fetched:
    """What became of one code. `body` is the answer as received: of so many bars, or of one that was refused."""

    outcome: Outcome
    bars: int = 0
    body: bytes | None = None
    reason: str | None = None
    warning: str | None = None  # what the source added, such as the limit of a free plan
    if_all: FatalError | None = None  # what is wrong, if every code is answered so: this one alone may be


class UnreadableError(TransientError):
    """The body is no JSON. Maintenance pages look so, and go away; a body that stays so is refused."""

    def __init__(self, reason: str, body: bytes = b"") -> None:
        super().__init__(reason)
        self.body = body


class _Listed(msgspec.Struct):
    code: str


_bars = msgspec.json.Decoder(list[Bar])
_listed = msgspec.json.Decoder(list[msgspec.Raw])
_one_listed = msgspec.json.Decoder(_Listed)


class Eodhd:
    def __init__(self, http: Http, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token
        self._read_bars = partial(read_bars, token=token)
        self._read_codes = partial(read_codes, token=token)

    async def bars(self, code: str, window: Window) -> Fetched:
        """The daily bars of a code such as `AAPL.US`. Costs one call of the daily quota.

        Raises AuthenticationError, QuotaExhausted or ConfigurationError for what is wrong for every code alike."""
        if len(code) > LONGEST_CODE:
            reason = f"{code[:LONGEST_CODE]!r}... is longer than a code can be"
            return Fetched(Outcome.REFUSED, reason=reason)
        params = self._params({"from": str(window.first), "to": str(window.last)})
        try:
            found = await self._http.get(f"{self._url}/eod/{quote(code, safe='')}", params, self._read_bars)
            return replace(found, if_all=self._elsewhere()) if found.outcome is Outcome.UNKNOWN else found
        except UnreadableError as error:
            return Fetched(Outcome.REFUSED, reason=str(error), body=error.body, if_all=self._elsewhere())
        except ContractError as error:
            return Fetched(Outcome.REFUSED, reason=str(error))
        except TransientError as error:
            return Fetched(Outcome.FAILED, reason=str(error))

    async def codes(self, exchange: str, day: date) -> list[str]:
        """All codes of an exchange that traded on the last session on or before `day`. Costs 100 calls per day tried.

        Raises ConfigurationError for an exchange without bars in the ten sessions before, TransientError when no
        answer comes that can be read, and what `bars` raises."""
        for session in sessions(exchange, day - LONGEST_CLOSING, day)[: -_SESSIONS - 1 : -1]:
            params = self._params({"date": str(session)})
            url = f"{self._url}/eod-bulk-last-day/{quote(exchange, safe='')}"
            try:
                found = await self._http.get(url, params, self._read_codes)
            except (UnreadableError, ConfigurationError) as error:
                raise self._elsewhere() or error from None
            except TransientError as error:
                raise TransientError(
                    f"The codes of {exchange} cannot be listed: {error}. Check ETL_SOURCE_URL, and run again when the "
                    "source answers.",
                    error.retry_after,
                ) from None
            if found:
                return sorted({f"{code}.{exchange}" for code in found})
        raise ConfigurationError(
            f"The source has no bar of exchange {exchange} in the {_SESSIONS} sessions up to {day}. Check "
            "ETL_EXCHANGE, or name the codes."
        )

    def _elsewhere(self) -> ConfigurationError | None:
        """What is wrong if nothing is known there, and the URL is not one of the API."""
        if self._url.endswith("/api"):
            return None
        url = redact(self._url.partition("?")[0])
        return ConfigurationError(
            f"What answers at {url} is not the EODHD API, whose URL ends with /api. Set ETL_SOURCE_URL to {url}/api."
        )

    def _params(self, more: dict[str, str]) -> dict[str, str]:
        return {"api_token": self._token, "fmt": "json", **more}


def read_bars(answer: Answer, token: str = "") -> Fetched:
    """What an answer means; wherever an unusable one quotes the token, it is hidden. What is said of this
    code and may be true of all, 403 and redirections, is its outcome's `if_all`.

    Raises UnreadableError for a body that is no JSON, AuthenticationError and QuotaExhausted."""
    if answer.status == 404:
        return Fetched(Outcome.UNKNOWN, reason="the source does not know the code")
    if answer.status in (401, 402):
        _refuse_for_all(answer, token)
    if answer.status != 200:
        refused = _refused(f"status {answer.status}: {_said(answer, token)}", answer, token)
        return replace(refused, if_all=_if_all(refused.reason or "", answer, token))
    try:
        bars = _bars.decode(answer.body)
    except msgspec.ValidationError as error:
        return _refused(f"not the fields of a bar: {error}", answer, token)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"not JSON: {error}", _hidden(answer.body, token)) from None
    if not bars:
        return Fetched(Outcome.EMPTY)
    return Fetched(Outcome.FETCHED, len(bars), answer.body, warning=bars[-1].warning)


def read_codes(answer: Answer, token: str = "") -> list[str]:
    """The codes of a bulk answer, without suffix; a row that names none is left out. Raises as `read_bars` does."""
    _refuse_for_all(answer, token)
    if answer.status != 200:
        raise ConfigurationError(
            f"The list of codes was answered {answer.status}: {_said(answer, token)}. Check ETL_EXCHANGE."
        )
    try:
        rows = [attempt(partial(_one_listed.decode, row)) for row in _listed.decode(answer.body)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(
            f"The list of codes cannot be read: {error}. Run again, or name the codes.", _hidden(answer.body, token)
        ) from None
    codes = [row.code for row in rows if not isinstance(row, Failure)]
    failures = [row for row in rows if isinstance(row, Failure)]
    if failures:
        _log.warning("%d of %d listed rows name no code: %s", len(failures), len(rows), failures[0].reason)
    if failures and not codes:
        raise UnreadableError(
            f"The list of codes cannot be read: {failures[0].reason}. Run again, or name the codes.",
            _hidden(answer.body, token),
        )
    return codes


def until_reset(now: datetime) -> timedelta:
    """How long it is until the daily quota starts anew, at midnight GMT."""
    midnight = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    return midnight - now


def token_refused(reason: str) -> AuthenticationError:
    return AuthenticationError(
        f"The source refused the token with {reason}. Set ETL_SOURCE_TOKEN to one whose plan covers this endpoint and "
        "these codes."
    )


def _if_all(reason: str, answer: Answer, token: str) -> FatalError | None:
    if answer.status == 403:
        return token_refused(reason)
    return _moved(answer, token) if 300 <= answer.status < 400 else None


def _refuse_for_all(answer: Answer, token: str) -> None:
    if answer.status in (401, 403):
        raise token_refused(f"status {answer.status}: {_said(answer, token)}")
    if answer.status == 402:
        raise QuotaExhausted(
            "The source's daily quota is used up (402). What was fetched is kept. Run the same window again after "
            "midnight GMT, when it starts anew.",
            until_reset(datetime.now(UTC)).total_seconds(),
        )
    if 300 <= answer.status < 400:
        raise _moved(answer, token)


def _moved(answer: Answer, token: str) -> ConfigurationError:
    target = _hidden(answer.headers.get("location", "nowhere").partition("?")[0].encode(), token).decode()
    return ConfigurationError(
        f"The source redirects to {target} ({answer.status}). Set ETL_SOURCE_URL to where it is now."
    )


def _refused(reason: str, answer: Answer, token: str) -> Fetched:
    return Fetched(Outcome.REFUSED, reason=reason, body=_hidden(answer.body, token))


def _said(answer: Answer, token: str) -> str:
    """The source's own words, from a JSON or HTML error body, on one line."""
    text = re.sub(r"<[^>]*>", " ", _hidden(answer.body, token)[:2000].decode(errors="replace"))
    return redact(" ".join(text.split())[:200])


def _hidden(body: bytes, token: str) -> bytes:
    """Error pages may quote the address they were asked for. A token as short as `demo` is no secret, but a word."""
    return body.replace(token.encode(), b"***") if len(token) >= _SHORTEST_SECRET else body
