"""Spans of dates: what one run works on."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.errors import ConfigurationError

LAG_DAYS = 7  # before a window, that are fetched again: sources revise


class Window(BaseModel):
    """Two inclusive dates, as the exchange counts days."""

    model_config = ConfigDict(frozen=True)

    first: date = Field(title="First day", description="The first day that is fetched, inclusive.")
    last: date = Field(title="Last day", description="The last day that is fetched, inclusive.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ConfigurationError(
                f"The window ends on {self.last}, before it starts on {self.first}. "
                "Give the earlier date as its first day."
            )
        return self

    @classmethod
    def up_to(cls, last: date, days: int) -> Self:
        """The given number of days, of which this is the last one."""
        if days < 1:
            raise ConfigurationError(f"A window of {days} days has no day in it. Give 1 or more.")
        return cls(first=_earlier(last, days - 1), last=last)

    @classmethod
    def parse(cls, text: str) -> Self:
        """A window from its name, `2024-01-01_2024-01-31`."""
        try:
            first, last = (date.fromisoformat(day) for day in text.split("_"))
        except ValueError:
            raise ConfigurationError(f"{text!r} is not a window. Windows look like 2024-01-01_2024-01-31.") from None
        return cls(first=first, last=last)

    def __str__(self) -> str:
        return f"{self.first}_{self.last}"

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def reaching_back(self, days: int) -> "Window":
        """This window with so many days more at its start."""
        if days < 0:
            raise ConfigurationError(f"A window cannot reach back {days} days. Give 0 or more.")
        return Window(first=_earlier(self.first, days), last=self.last)

    @property
    def days_before(self) -> "Window":
        """Ten, in which most codes have traded."""
        return Window(first=_earlier(self.first, 10), last=_earlier(self.first, 1))

    def years(self) -> Iterator[int]:
        yield from range(self.first.year, self.last.year + 1)

    def by_years(self, years: int) -> "Iterator[Window]":
        """Windows that meet at the ends of years, so many years long but for the first and the last."""
        if years < 1:
            raise ConfigurationError(f"Windows of {years} years have no day in them. Give 1 or more.")
        for year in range(self.first.year, self.last.year + 1, years):
            yield Window(
                first=max(self.first, date(year, 1, 1)), last=min(self.last, date(min(year + years - 1, 9999), 12, 31))
            )


def _earlier(day: date, days: int) -> date:
    try:
        return day - timedelta(days=days)
    except OverflowError:
        raise ConfigurationError(f"There is no date {days} days before {day}. Give fewer days.") from None
