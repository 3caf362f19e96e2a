"""What a lake lacks, by the rule of `answers.py`: its answers that count, the codes there are, what is missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl
from pydantic import BaseModel, ConfigDict

from tasks.codes import qualified
from tasks.coverage import answers as rule
from tasks.coverage.listings import listed
from tasks.datasets import CURATED_WINDOWS, DATA_QUALITY, FETCHES, PRICES, RAW_PRICES
from tasks.lake import Lake, SnapshotRef
from tasks.lake.fetches import OUTCOME, fetches_within
from tasks.lake.retention.read_leases import read_lease
from tasks.reasons import grouped
from tasks.sessions.closing_times import AsOf
from tasks.settings import Settings
from tasks.window import Window

_UNLISTED = "not known: nobody has listed the codes of the exchange"
_COLUMNS = ["code", "outcome", "reason", "fetched_at", "asked_first", "asked_last"]


class Gap(BaseModel):
    """What of a code is missing, and what the last answer was."""

    model_config = ConfigDict(frozen=True)

    days: Window
    reason: str

    def __str__(self) -> str:
        return f"lack {self.days.first} to {self.days.last}: {self.reason}"


class Missing(BaseModel):
    """What a window lacks. Where nobody has listed the codes of the exchange yet, nobody knows which these are."""

    model_config = ConfigDict(frozen=True)

    window: Window
    codes: Mapping[str, Gap] = {}
    unlisted: bool = False

    def __bool__(self) -> bool:
        return self.unlisted or bool(self.codes)

    def __str__(self) -> str:
        return grouped(self.by_code().items())

    def by_code(self) -> dict[str, str]:
        """In words."""
        return {"all": _UNLISTED} if self.unlisted else {code: str(gap) for code, gap in self.codes.items()}


@dataclass(frozen=True)
class Wanted:
    """Codes, or for None all of the exchange, as of a moment."""

    codes: Sequence[str] | None
    exchange: str
    as_of: AsOf


def wanted(settings: Settings, codes: Sequence[str] | None = None, since: datetime | None = None) -> Wanted:
    """What is wanted now: these codes, or for None those that are set, or else all of the exchange."""
    named = settings.codes or None if codes is None else codes
    full = None if named is None else qualified(named, settings.exchange)
    return Wanted(full, settings.exchange, AsOf(datetime.now(UTC), settings.source_delay, since))


def missing(lake: Lake, windows: Sequence[Window], wanted: Wanted) -> list[Missing]:
    """What each window lacks, of the answers of all runs that are curated, and that no check has refused."""
    answers, stopped = counting(lake, windows), verdicts(lake)[1]
    return [_missing(lake, window, wanted, answers, stopped=window in stopped) for window in windows]


def counting(lake: Lake, windows: Sequence[Window]) -> pl.DataFrame:
    """The answers about days of these windows, of whatever run, whose bars are curated and pass the checks."""
    whole = Window(first=min(w.first for w in windows), last=max(w.last for w in windows))
    fetches = _by_window(fetches_within(lake, whole))
    raw = _by_window(lake.partitions(RAW_PRICES))
    curated = {s.partition.removeprefix("window="): set(s.inputs) for s in lake.partitions(CURATED_WINDOWS)}
    judged, stopped = verdicts(lake)
    sound = {str(window) for window in judged - stopped}
    return read_answers(
        lake,
        [
            snapshot
            for name, some in fetches.items()
            if name in sound and curated.get(name) == {s.snapshot for s in (*some, *raw.get(name, []))}
            for snapshot in some
        ],
    )


def known(lake: Lake, window: Window, fetches: Sequence[SnapshotRef]) -> pl.DataFrame:
    """The answers of these, of the run's own window: none once a check has refused the window."""
    return read_answers(lake, [] if window in verdicts(lake)[1] else fetches)


def read_answers(lake: Lake, fetches: Sequence[SnapshotRef]) -> pl.DataFrame:
    """What these say. Answers of versions that did not keep the days are of the whole window."""
    with read_lease(lake, FETCHES, fetches):
        parts = [lake.read(FETCHES, []).with_columns(OUTCOME).select(_COLUMNS)]
        for name, some in _by_window(fetches).items():
            window = Window.parse(name)
            days = {"asked_first": window.first, "asked_last": window.last}
            rows = lake.read(FETCHES, some).with_columns(OUTCOME)
            parts.append(
                rows.with_columns(pl.col(c).fill_null(pl.lit(day)) for c, day in days.items()).select(_COLUMNS)
            )
        return pl.concat(parts).collect()


def verdicts(lake: Lake) -> tuple[set[Window], set[Window]]:
    """The windows that were judged, and of these the ones that a failed check has stopped."""
    judged = lake.read(DATA_QUALITY, lake.partitions(DATA_QUALITY)).filter(pl.col("dataset") == PRICES.name)
    stopped = (pl.col("severity") == "error") & ~pl.col("passed")
    rows = judged.group_by("window_first", "window_last").agg(stopped.any()).collect().rows()
    windows = [(Window(first=first, last=last), failed) for first, last, failed in rows]
    return {window for window, _ in windows}, {window for window, failed in windows if failed}


def is_curated(lake: Lake, window: Window) -> bool:
    """Whether all that came for the window is in `curated/prices`."""
    note = lake.current(CURATED_WINDOWS, f"window={window}")
    raw = [s for dataset in (RAW_PRICES, FETCHES) for s in lake.partitions(dataset, f"window={window}/")]
    return note is not None and set(note.inputs) == {s.snapshot for s in raw}


def spans(lake: Lake, codes: Iterable[str], window: Window) -> dict[str, Window]:
    """The days that each code is asked for: those of the window, and back to its last stored day before it.

    That one tells, at no more requests, whether the source has restated what is older."""
    last = last_bars(lake, window.days_before, pl.lit(True))  # noqa: FBT003 - of all codes
    return {code: Window(first=last.get(code, window.first), last=window.last) for code in codes}


def stored_codes(lake: Lake, exchange: str, window: Window) -> list[str]:
    """The exchange's codes that have a row in the window."""
    of_exchange = pl.col("code").str.ends_with(f".{exchange.upper()}")
    return sorted(code for code in last_bars(lake, window, of_exchange))


def last_bars(lake: Lake, window: Window, some: pl.Expr) -> dict[str, date]:
    """The last stored day within the window of each code that has one."""
    near = [
        s for s in lake.partitions(PRICES) if s.first and s.last and s.first <= window.last and s.last >= window.first
    ]
    with read_lease(lake, PRICES, near) as prices:
        within = prices.with_columns(pl.col("code").cast(pl.String)).filter(
            pl.col("date").is_between(window.first, window.last), some
        )
        return dict(within.group_by("code").agg(pl.col("date").max()).collect().iter_rows())


def _missing(lake: Lake, window: Window, wanted: Wanted, answers: pl.DataFrame, *, stopped: bool) -> Missing:
    codes = wanted.codes
    if codes is None:
        listing = listed(lake, wanted.exchange, window.last, wanted.as_of)
        if listing is None:
            return Missing(window=window, unlisted=True)
        codes = sorted({*listing, *stored_codes(lake, wanted.exchange, window)})
    spans = rule.missing(answers, dict.fromkeys(codes, window), wanted.as_of)
    said, otherwise = _said(answers, window), "a check has stopped them" if stopped else "not asked"
    gaps = {code: Gap(days=span, reason=said.get(code, otherwise)) for code, span in spans.items()}
    return Missing(window=window, codes=gaps)


def _said(answers: pl.DataFrame, window: Window) -> dict[str, str]:
    """What the last answer about the window was, by code."""
    asked = answers.filter(pl.col("asked_first") <= window.last, pl.col("asked_last") >= window.first)
    last = asked.sort("fetched_at").group_by("code").last().select("code", "outcome", "reason")
    return {
        code: "not asked since" if outcome in rule.SETTLING else f"{outcome}{f', {reason}' if reason else ''}"
        for code, outcome, reason in last.iter_rows()
    }


def _by_window(snapshots: Iterable[SnapshotRef]) -> dict[str, list[SnapshotRef]]:
    found: dict[str, list[SnapshotRef]] = {}
    for snapshot in snapshots:
        found.setdefault(snapshot.partition.partition("/")[0].removeprefix("window="), []).append(snapshot)
    return found
