"""The days on which tests fell, or may fall, and the tests that depend on the day: run with the clock there.

`python -m tests.days` runs them on one of these days, which takes its turn by the date.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True)
class Day:
    """`begins` is when the tests start: the clock goes on from there."""

    begins: datetime
    reason: str

    @property
    def name(self) -> str:
        return str(self.begins.date())


def _day(moment: str, reason: str) -> Day:
    return Day(datetime.fromisoformat(moment).replace(tzinfo=UTC), reason)


DAYS = (
    _day("2026-11-26T15:00", "Thanksgiving, in the hours in which New York would trade"),
    _day("2026-11-27T19:00", "the Friday after it, when New York closes at 13:00"),
    _day("2026-11-29T12:00", "the Sunday after it: two weeks with nine sessions"),
    _day("2026-12-31T23:50", "the year's last day, and midnight of UTC on the way; New York's is five hours later"),
    _day("2027-01-01T12:00", "a holiday on a Friday, the first day of a year, in the last ISO week of the year before"),
    _day("2027-01-04T12:00", "the Monday after three days without a session"),
    _day("2027-02-28T12:00", "a month's last day, in February and on a Sunday"),
    _day("2027-03-14T06:50", "New York's clocks go forward at 07:00 UTC"),
    _day("2027-03-28T00:50", "Europe's go forward at 01:00 UTC, on Easter Sunday, in four days without a session"),
    _day("2027-06-12T12:00", "a Saturday"),
    _day("2027-10-31T00:50", "Europe's clocks go back at 01:00 UTC, on a month's last day"),
    _day("2027-11-07T05:50", "New York's clocks go back at 06:00 UTC"),
    _day("2027-12-31T12:00", "the year's last day, a Friday on which New York trades"),
    _day("2028-02-29T12:00", "a leap day, a year before and after which there is none"),
)

# Where the clock is read: in the test, by a default of a flow, by a market or a server that the test starts.
TESTS = (
    "tests/tasks/extract/test_http.py",
    "tests/tasks/lake/azure/test_identity.py",
    "tests/tasks/lake/retention/test_housekeeping.py",
    "tests/tasks/lake/conformance/test_store.py",
    "tests/tasks/test_key_vault.py",
    "tests/flows/test_data_quality.py::test_without_a_window_it_is_the_days_before_the_run",
    "tests/flows/test_housekeeping.py",
    "tests/flows/market_prices/test_market_prices.py::test_the_scheduled_week_is_fetched_when_no_window_is_given",
    "tests/deployments/batch_emulator/operations/test_files.py",
    "tests/deployments/batch_emulator/execution/files/test_output_files.py",
    "tests/deployments/batch_emulator/engine/jobs/test_schedules.py",
    "tests/deployments/batch_emulator/test_server.py",
    "tests/deployments/local/test_notebooks.py",
    "tests/deployments/local/test_stack.py",
)


def turn(today: date) -> Day:
    """Each day has its turn, one after the other."""
    return DAYS[today.toordinal() % len(DAYS)]
