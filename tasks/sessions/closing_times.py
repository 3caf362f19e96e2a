"""When the day of an exchange is over: its session has closed, and the source has had the time to publish it.

The regular closing by the exchange's own clock; one that closes early on some days is waited for all the same.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tasks.window import Window


@dataclass(frozen=True)
class AsOf:
    """The moment as of which something is known: what was over then, and from when on answers count."""

    now: datetime
    delay: timedelta  # of the source, after a closing
    since: datetime | None = None

    def last_day(self, exchange: str) -> date:
        """The exchange's last day that is over."""
        return last_day_over(exchange, self.now, self.delay)

    def last_day_of(self, exchange: str, window: Window) -> date | None:
        """The window's last day that is over; None before its first one is."""
        day = min(window.last, self.last_day(exchange))
        return day if day >= window.first else None

    def counts(self, given_at: datetime) -> bool:
        return self.since is None or given_at >= self.since


def last_day_over(exchange: str, moment: datetime, delay: timedelta) -> date:
    """The exchange's last day, of trading or not, that was over so long before the moment."""
    zone, closing = _closing(exchange.upper())
    there = (moment - delay).astimezone(zone)
    return there.date() if closing and there.time() >= closing else there.date() - timedelta(days=1)


def _closing(exchange: str) -> tuple[ZoneInfo, time | None]:
    """The zone, and the hour that ends a day of trading; without one it is midnight."""
    for (zone, closing), names in _CLOSINGS.items():
        if exchange in names:
            return ZoneInfo(zone), time.fromisoformat(closing)
    return ZoneInfo("UTC"), None


# By the source's suffixes. `CC`, `FOREX`, and all that is not here, end their days at midnight UTC.
# https://eodhd.com/financial-apis/exchanges-api-trading-hours-and-stock-market-holidays
_CLOSINGS = {
    ("America/New_York", "16:00"): frozenset({"US"}),
    ("America/Toronto", "16:00"): frozenset({"TO", "V"}),
    ("America/Mexico_City", "16:00"): frozenset({"MX"}),
    ("America/Sao_Paulo", "18:00"): frozenset({"SA"}),
    ("America/Argentina/Buenos_Aires", "17:00"): frozenset({"BA"}),
    ("Europe/London", "16:35"): frozenset({"LSE"}),
    ("Europe/Dublin", "16:35"): frozenset({"IR"}),
    ("Europe/Berlin", "22:00"): frozenset({"F", "BE", "DU", "HA", "HM", "MU", "STU"}),
    ("Europe/Berlin", "17:45"): frozenset({"XETRA"}),
    ("Europe/Paris", "17:45"): frozenset({"PA", "AS", "BR", "OL", "MC", "SW", "WAR"}),
    ("Europe/Lisbon", "16:45"): frozenset({"LS"}),
    ("Europe/Athens", "17:20"): frozenset({"AT"}),
    ("Europe/Istanbul", "18:10"): frozenset({"IS"}),
    ("Africa/Johannesburg", "17:15"): frozenset({"JSE"}),
    ("Asia/Riyadh", "15:20"): frozenset({"SR"}),
    ("Asia/Karachi", "17:00"): frozenset({"KAR"}),
    ("Asia/Kolkata", "15:40"): frozenset({"NSE", "BSE"}),
    ("Asia/Shanghai", "15:00"): frozenset({"SHG", "SHE"}),
    ("Asia/Hong_Kong", "16:10"): frozenset({"HK"}),
    ("Asia/Taipei", "13:45"): frozenset({"TW", "TWO"}),
    ("Asia/Seoul", "15:45"): frozenset({"KO", "KQ"}),
    ("Australia/Sydney", "16:15"): frozenset({"AU"}),
}
