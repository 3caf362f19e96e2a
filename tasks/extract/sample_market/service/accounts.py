"""Who may ask for what, and how often: tokens, plans, the limit of a minute and the quota of a day."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Self

EOD, BULK, USER = "eod", "eod-bulk-last-day", "internal-user"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Plan:
    """What a token may do. None stands for no limit."""

    name: str
    daily_limit: int | None = 100_000  # calls
    minute_limit: int | None = 1000  # requests
    extra_limit: int = 0  # calls bought beside the daily ones, used after them
    history_days: int | None = None  # how far back
    codes: frozenset[str] | None = None
    endpoints: frozenset[str] = frozenset({EOD, BULK, USER})


PAID = Plan("paid")
FREE = Plan("free", daily_limit=20, history_days=365, endpoints=frozenset({EOD, USER}))
DEMO = Plan(
    "demo",
    codes=frozenset({"AAPL.US", "TSLA.US", "VTI.US", "AMZN.US", "MSFT.US", "BTC-USD.CC", "EURUSD.FOREX"}),
    endpoints=frozenset({EOD}),
)
OPEN = Plan("open", daily_limit=None, minute_limit=None)
PLANS = {plan.name: plan for plan in (PAID, FREE, DEMO, OPEN)}

UNLIMITED = 1_000_000  # what the headers say where there is no limit


def utc_now() -> datetime:
    return datetime.now(UTC)


class Account:
    """What one token has used. Its minute begins with a request, its day at midnight GMT."""

    def __init__(self, plan: Plan, clock: Callable[[], datetime]) -> None:
        self.plan = plan
        self._clock = clock
        self._minute_began = datetime.min.replace(tzinfo=UTC)
        self._in_minute = 0
        self._day = clock().date()
        self._in_day = 0
        self._extra_left = plan.extra_limit

    @property
    def minute_limit(self) -> int:
        return UNLIMITED if self.plan.minute_limit is None else self.plan.minute_limit

    @property
    def minute_remaining(self) -> int:
        return UNLIMITED if self.plan.minute_limit is None else max(0, self.minute_limit - self._in_minute)

    def admit(self) -> bool:
        """Count a request against the minute; false if there is none left."""
        now = self._clock()
        if now - self._minute_began >= MINUTE:
            self._minute_began, self._in_minute = now, 0
        self._in_minute += 1
        return self._in_minute <= self.minute_limit

    def affords(self, calls: int) -> bool:
        return (
            self.plan.daily_limit is None
            or self._beyond(self.used + calls) <= self._beyond(self.used) + self._extra_left
        )

    def charge(self, calls: int) -> None:
        used = self.used
        self._extra_left -= self._beyond(used + calls) - self._beyond(used)
        self._in_day = used + calls

    @property
    def used(self) -> int:
        """Calls of today."""
        if self._day != self._clock().date():
            self._day, self._in_day = self._clock().date(), 0
        return self._in_day

    def _beyond(self, calls: int) -> int:
        return 0 if self.plan.daily_limit is None else max(0, calls - self.plan.daily_limit)

    def as_user(self) -> dict[str, object]:
        """The answer of `internal-user`."""
        return {
            "apiRequests": self.used,
            "apiRequestsDate": self._day.isoformat(),
            "dailyRateLimit": UNLIMITED if self.plan.daily_limit is None else self.plan.daily_limit,
            "extraLimit": self._extra_left,
        }

    def first_day(self, as_of: date) -> date:
        """The start of the history that the plan allows."""
        days = self.plan.history_days
        return date.min if days is None else as_of - timedelta(days=days)


class Accounts:
    """All tokens that the server knows."""

    def __init__(self, plans: Mapping[str, Plan], clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self._accounts = {token: Account(plan, clock) for token, plan in plans.items()}

    @classmethod
    def open(cls) -> Self:
        """The token `demo` may do everything, without limits."""
        return cls({"demo": OPEN})

    def of(self, token: str) -> Account | None:
        return self._accounts.get(token)
