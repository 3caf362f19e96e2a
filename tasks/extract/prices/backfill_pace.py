"""How a backfill is paced, and what it would take at that pace, as a table beside other lengths of windows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.extract.prices.estimate import Estimate, SourceTerms, estimate
from tasks.settings import load_settings
from tasks.window import Window

CatchUp = Literal["all", "last", "none"]  # of the windows that the lake does not have

_LENGTHS = (1, 2, 5, 10, 20)  # years, that a plan compares
_UNLIMITED = 60_000  # requests a minute, where no limit is set


class Pace(BaseModel):
    """How a long range is cut into windows, and what a plan reckons with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    years_per_window: int = Field(
        1,
        ge=1,
        title="Years per window",
        description="One call fetches one code's window: longer windows cost fewer calls, and use fewer machines.",
    )
    at_once: int = Field(
        4, ge=1, le=100, title="At once", description="Windows fetched at once, each on a machine of its own."
    )
    deployment: str = Field(
        "market-prices/window", title="Deployment", description="Of market-prices: its runs fetch the windows."
    )
    plan_codes: int = Field(
        0, ge=0, title="Codes in the plan", description="How many the plan reckons with. 0: as many as are named."
    )
    calls_per_day: int = Field(100_000, ge=1, title="Calls per day", description="The source's daily quota.")
    price_per_hour: float = Field(0.1, ge=0, title="Price per hour", description="Of one machine, in any currency.")


def estimate_text(span: Window, wanted: Sequence[Window], pace: Pace, codes: Sequence[str] | None) -> str:
    """What these windows would take, and what the whole span would in windows of other lengths: a Markdown table.

    Where nobody named or counted the codes, a sentence that asks for that."""
    settings = load_settings()
    per_minute = settings.requests_per_minute or _UNLIMITED
    count = pace.plan_codes or len(codes or settings.codes)
    if not count:
        return (
            f"{len(wanted)} windows of {span.first} to {span.last}. What they would take is not known before the codes "
            "are listed: name the codes, or tell how many to reckon with, by `--plan-codes` or *Codes in the plan*."
        )
    terms = SourceTerms(pace.at_once, per_minute, pace.calls_per_day, price_per_hour=pace.price_per_hour)
    longest = span.last.year - span.first.year + 1
    others = [n for n in _LENGTHS if n != pace.years_per_window and n <= longest]
    rows = [_row(f"**{pace.years_per_window}**", estimate(wanted, count, terms))]
    rows += [_row(f"{n}", estimate(list(span.by_years(n)), count, terms)) for n in others]
    head = (
        f"{count:,} codes of {span.first} to {span.last}, {pace.at_once} windows at once, {per_minute:,} requests a "
        f"minute and {pace.calls_per_day:,} calls a day for all machines together:"
    )
    return "\n".join(
        [
            head,
            "",
            "| years per window | windows | API calls | rows | takes | machine hours | costs |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *rows,
        ]
    )


def _row(years: str, e: Estimate) -> str:
    return (
        f"| {years} | {e.windows:,} | {e.calls:,} | {e.rows:,} | {_duration(e.duration)} | {e.machine_hours:,.1f} "
        f"| {e.cost:,.2f} |"
    )


def _duration(duration: timedelta) -> str:
    hours, minutes = divmod(round(duration.total_seconds() / 60), 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
