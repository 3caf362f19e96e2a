"""What can be wrong with a source, each fault with its rate, and the same ones at every run with the same seed."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.errors import ConfigurationError
from tasks.extract.sample_market.simulation.randomness import fractions, key, series, unit


class Faults(BaseModel):
    """Rates are from 0 to 1.

    A passing fault is decided by seed, request and attempt, so that a retry heals it. A lasting one is decided by seed
    and code, and the same at every attempt. Each is drawn on its own; of several that strike at once, one is met.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0

    rate_limited: float = Field(default=0, description="429.")
    server_error: float = Field(default=0, description="500.")
    bad_gateway: float = Field(default=0, description="502, with a page of a proxy.")
    unavailable: float = Field(default=0, description="503 with Retry-After.")
    unavailable_silent: float = Field(default=0, description="503 without Retry-After.")
    reset: float = Field(default=0, description="The connection is reset instead of an answer.")
    cut_off: float = Field(default=0, description="The body ends before its Content-Length.")
    slow: float = Field(default=0, description="The right answer, after `slow_seconds`.")
    hang: float = Field(default=0, description="No answer, until the client gives up.")
    html_page: float = Field(default=0, description="200 with an HTML page.")
    broken_json: float = Field(default=0, description="200, whole by its Content-Length, but no valid JSON.")

    unauthorized: float = Field(default=0, description="401, though the token is right.")
    quota_used_up: float = Field(default=0, description="402, though the quota is not used up.")
    forbidden: float = Field(default=0, description="403, though the plan has it.")
    not_found: float = Field(default=0, description="404 for a known code.")
    empty_list: float = Field(default=0, description="[] for a known code.")
    bare_number: float = Field(default=0, description="A number in place of the list.")
    missing_field: float = Field(default=0, description="Records without their close.")
    null_number: float = Field(default=0, description="Records whose close is null.")
    text_number: float = Field(default=0, description="Records whose close is a text that is no number.")
    duplicate_records: float = Field(default=0, description="Records that come twice.")
    conflicting_records: float = Field(default=0, description="Two records of one day with different closes.")
    negative_price: float = Field(default=0, description="Records whose close is negative.")
    high_below_low: float = Field(default=0, description="Records whose high is below their low.")
    outside_range: float = Field(default=0, description="Records from before and after the range asked for.")

    revised: float = Field(default=0, description="Share of all bars that got another close and volume.")

    damaged_rows: float = Field(default=0.2, description="Share of a code's records that its lasting fault spoils.")
    slow_seconds: float = Field(default=2.0, ge=0, description="How late a slow answer is.")
    retry_after_seconds: int = Field(default=60, ge=0, description="What an injected 429 or 503 asks for.")
    lasting: frozenset[str] = Field(default=frozenset(), description="Passing faults that no retry is to heal.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name in (*PASSING, *LASTING, "revised", "damaged_rows"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"The rate of {name} is {getattr(self, name)}. Give it a rate from 0 to 1.")
        if unknown := self.lasting - set(PASSING):
            raise ConfigurationError(
                f"{', '.join(sorted(unknown))} cannot be made lasting. Choose from {', '.join(PASSING)}."
            )
        return self

    @property
    def any_passing(self) -> bool:
        return bool(self._passing)

    def passing(self, request: str, attempt: int) -> str | None:
        """The fault that this attempt meets. The request is named by path and query, without the token."""
        return _choice(self._passing, self.seed, "passing", request, attempt)

    def of_code(self, code: str) -> str | None:
        """The fault that all requests for the code meet."""
        return _choice(self._of_code, self.seed, "lasting", code)

    def damaged(self, code: str, dates: pl.Series) -> pl.Series:
        """Which records of the code are spoilt, if the code has a fault of its records."""
        return self._share(self.damaged_rows, "damaged", code, dates)

    def revised_rows(self, code: str, dates: pl.Series) -> pl.Series:
        """Which bars have another close and volume than the market's own."""
        return self._share(self.revised, "revised", code, dates)

    def _share(self, rate: float, purpose: str, code: str, dates: pl.Series) -> pl.Series:
        days = dates.to_physical().cast(pl.Int64).to_numpy()
        return pl.Series(fractions(series(key(self.seed, purpose, code), days)) < rate)

    @cached_property
    def _passing(self) -> dict[str, float]:
        return self._table(n for n in PASSING if n not in self.lasting)

    @cached_property
    def _of_code(self) -> dict[str, float]:
        return self._table(n for n in (*PASSING, *LASTING) if n in self.lasting or n in LASTING)

    def _table(self, names: Iterable[str]) -> dict[str, float]:
        """The rates of those that are on."""
        return {name: getattr(self, name) for name in names if getattr(self, name) > 0}


PASSING = (
    "rate_limited",
    "server_error",
    "bad_gateway",
    "unavailable",
    "unavailable_silent",
    "reset",
    "cut_off",
    "slow",
    "hang",
    "html_page",
    "broken_json",
)
OF_RECORDS = (
    "missing_field",
    "null_number",
    "text_number",
    "duplicate_records",
    "conflicting_records",
    "negative_price",
    "high_below_low",
)
LASTING = (
    "unauthorized",
    "quota_used_up",
    "forbidden",
    "not_found",
    "empty_list",
    "bare_number",
    "outside_range",
    *OF_RECORDS,
)


def _choice(rates: Mapping[str, float], *parts: object) -> str | None:
    struck = [name for name, rate in rates.items() if unit(*parts, name) < rate]
    return struck[int(unit(*parts) * len(struck))] if struck else None
