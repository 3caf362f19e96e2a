"""Raw bars become the typed, deduplicated dataset `curated/prices`; rows that break the contract go to quarantine."""

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from tasks.datasets import CURATED_WINDOWS, FETCHES, PRICES, QUARANTINED_PRICES, RAW_PRICES, shard_of
from tasks.lake import Change, Lake, SnapshotRef
from tasks.lake.fetches import by_part, last_attempts
from tasks.lake.retention.read_leases import read_lease
from tasks.transform.closed_days import closed_days
from tasks.transform.merge import Figures, latest, merge_partition
from tasks.transform.quarantine import put_in_quarantine
from tasks.transform.raw_bars import read_day, split_bars
from tasks.transform.withdrawal import covered_by, whole_answers
from tasks.window import Window

__all__ = ["Figures", "curate"]


def curate(
    lake: Lake,
    window: Window,
    raw: Sequence[SnapshotRef],
    fetches: Sequence[SnapshotRef],
    run: str,
    ignored: Collection[str] = (),
) -> Figures:
    """Merges the window's raw bars into `curated/prices`, one shard of codes at a time.

    Of several values for a code and date the one fetched last wins, in whatever order they are curated. Doing it again
    changes nothing. A stored bar that a whole answer does not give any more is withdrawn. Codes of which a part could
    not be fetched go to quarantine: half a restated history would be worse than none. So do bars of days on which their
    exchange was closed, but for the exchanges whose calendars are `ignored`. Raises ContractError if the figures do not
    add up."""
    inputs = [s.snapshot for s in (*raw, *fetches)]
    figures = Figures()
    stored = lake.partitions(PRICES)
    with read_lease(lake, RAW_PRICES, raw), read_lease(lake, FETCHES, fetches):
        attempts = {part: last_attempts(lake, some).collect() for part, some in by_part(fetches).items()}
        unfit = _unfit_codes(attempts)
        # The source says so beside a bar, but not where it has none to give.
        limited = any(part.get_column("warning").is_not_null().any() for part in attempts.values())
        closed = closed_days(lake, raw, ignored)
        for shard in range(PRICES.shards):
            received = _received(lake, raw, attempts, shard, window)
            good, bad = split_bars(received, unfit, closed)
            put_in_quarantine(lake, QUARANTINED_PRICES, f"window={window}/shard={shard}", bad, run, inputs)
            rows = latest(good, PRICES)
            figures += Figures(received=received.height, quarantined=bad.height, duplicates=good.height - rows.height)
            answers = whole_answers(_fit(attempts, unfit, shard), received, limited=limited)
            covered = covered_by(answers, "fetched_at")
            for year in _years(rows, answers, [s for s in stored if s.partition.endswith(f"/shard={shard}")]):
                some = rows.filter(pl.col("date").dt.year() == year)
                figures += merge_partition(lake, PRICES, PRICES.partition(year, shard), some, run, covered=covered)
    _note(lake, window, figures.balanced(), inputs, run)
    return figures


def _years(rows: pl.DataFrame, answers: pl.DataFrame, stored: Sequence[SnapshotRef]) -> list[int]:
    """Those that rows go to, and those of stored days that an answer speaks of."""
    first, last = answers.select(pl.min("asked_first"), pl.max("asked_last")).row(0)
    spoken_of = [s.first.year for s in stored if first and s.first and s.last and s.first <= last and s.last >= first]
    return sorted({*rows.get_column("date").dt.year(), *spoken_of})


def _note(lake: Lake, window: Window, figures: Figures, inputs: Sequence[str], run: str) -> None:
    """Keeps what became of the window's rows, last of all: where it is, with these inputs, all of them are curated."""
    row = {
        "window_first": window.first,
        "window_last": window.last,
        "received": figures.received,
        "quarantined": figures.quarantined,
        "duplicates": figures.duplicates,
        "published": figures.published,
        "withdrawn": figures.withdrawn,
    }

    def change(current: SnapshotRef | None) -> Change | None:
        if current and set(current.inputs) == set(inputs):
            return None
        return Change([pl.DataFrame([row], schema=CURATED_WINDOWS.polars_schema)], inputs=tuple(inputs))

    lake.update(CURATED_WINDOWS, f"window={window}", change, run)


_Attempts = Mapping[str, pl.DataFrame]  # the last one at each code, by part


def _unfit_codes(attempts: _Attempts) -> list[str]:
    """Codes of which the last attempt failed, at the window or at the other days that it takes to judge it."""
    failed = pl.col("outcome").cast(pl.String).is_in(["refused", "failed"])
    return sorted({code for part in attempts.values() for code in part.filter(failed).get_column("code")})


def _fit(attempts: _Attempts, unfit: Sequence[str], shard: int) -> pl.DataFrame:
    """All parts of the shard's codes, but for those that are unfit."""
    every = pl.concat(
        [FETCHES.polars_schema.to_frame(), *(part.select(FETCHES.polars_schema.names()) for part in attempts.values())]
    )
    codes = [c for c in every.get_column("code").unique() if shard_of(c, PRICES.shards) == shard]
    return every.filter(pl.col("code").is_in(codes), ~pl.col("code").is_in(unfit))


def _received(lake: Lake, raw: Sequence[SnapshotRef], attempts: _Attempts, shard: int, window: Window) -> pl.DataFrame:
    """The shard's raw rows, with their `day`, and `asked_for`: whether that is one of the days asked for."""
    day = read_day(pl.col("date"))
    parts = [lake.read(RAW_PRICES, []).with_columns(day=day, asked_for=pl.lit(value=True))]
    for part, some in by_part(raw).items():
        rows = lake.read(RAW_PRICES, some).filter(pl.col("shard") == shard).with_columns(day=day)
        spans = attempts.get(part, FETCHES.polars_schema.to_frame()).select("code", "asked_first", "asked_last")
        rows = rows.join(spans.lazy(), on="code", how="left", maintain_order="left")
        in_old_lakes = (
            pl.col("day").is_between(window.first, window.last) if part == "window" else pl.col("day") < window.first
        )
        asked_for = pl.col("day").is_between("asked_first", "asked_last").fill_null(in_old_lakes)
        parts.append(rows.with_columns(asked_for=asked_for).drop("asked_first", "asked_last"))
    return pl.concat(parts).drop("shard").with_row_index("row").collect()
