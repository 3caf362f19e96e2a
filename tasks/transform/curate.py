"""Raw bars become the typed, deduplicated dataset `curated/prices`; rows that break the contract go to quarantine."""

from collections.abc import Sequence

import polars as pl

from tasks.datasets import CURATED_WINDOWS, FETCHES, PRICES, QUARANTINED_PRICES, RAW_PRICES
from tasks.lake import Change, Lake, SnapshotRef
from tasks.lake.reading import reading
from tasks.transform.judge import judged, read_day
from tasks.transform.merge import Figures, latest, merge_partition
from tasks.transform.quarantine import put_in_quarantine
from tasks.window import Window

__all__ = ["Figures", "curate"]


def curate(lake: Lake, window: Window, raw: Sequence[SnapshotRef], fetches: Sequence[SnapshotRef], run: str) -> Figures:
    """Merges the window's raw bars into `curated/prices`, one shard of codes at a time.

    Of several values for a code and date the one fetched last wins, in whatever order they are curated. Doing it again
    changes nothing. Codes of which a part could not be fetched go to quarantine: half a restated history would be worse
    than none. Raises ContractError if the figures do not add up."""
    inputs = [s.snapshot for s in (*raw, *fetches)]
    figures = Figures()
    with reading(lake, RAW_PRICES, raw), reading(lake, FETCHES, fetches):
        unfit = _unfit_codes(lake, fetches)
        for shard in range(PRICES.shards):
            received = _received(lake, raw, shard, window)
            good, bad = judged(received, unfit)
            put_in_quarantine(lake, QUARANTINED_PRICES, f"window={window}/shard={shard}", bad, run, inputs)
            rows = latest(good, PRICES)
            figures += Figures(received=received.height, quarantined=bad.height, duplicates=good.height - rows.height)
            for (year,), some in rows.group_by(pl.col("date").dt.year()):
                figures += merge_partition(lake, PRICES, PRICES.partition(int(str(year)), shard), some, run)
    _note(lake, window, figures.balanced(), inputs, run)
    return figures


def _note(lake: Lake, window: Window, figures: Figures, inputs: Sequence[str], run: str) -> None:
    """Keeps what became of the window's rows, last of all: where it is, with these inputs, all of them are curated."""
    row = {
        "window_first": window.first,
        "window_last": window.last,
        "received": figures.received,
        "quarantined": figures.quarantined,
        "duplicates": figures.duplicates,
        "published": figures.published,
    }

    def change(current: SnapshotRef | None) -> Change | None:
        if current and set(current.inputs) == set(inputs):
            return None
        return Change([pl.DataFrame([row], schema=CURATED_WINDOWS.polars_schema)], inputs=tuple(inputs))

    lake.update(CURATED_WINDOWS, f"window={window}", change, run)


def _unfit_codes(lake: Lake, fetches: Sequence[SnapshotRef]) -> list[str]:
    """Codes of which the last attempt failed, at the window or at the history before it."""
    failed = pl.col("outcome").cast(pl.String).is_in(["refused", "failed"])
    unfit: set[str] = set()
    for part in _parts(fetches):
        last = lake.read(FETCHES, part).sort("fetched_at").group_by("code").last()
        unfit.update(last.filter(failed).collect().get_column("code"))
    return sorted(unfit)


def _parts(snapshots: Sequence[SnapshotRef]) -> tuple[list[SnapshotRef], list[SnapshotRef]]:
    """Those of the window itself, and those of the history of codes that were restated."""
    history = [s for s in snapshots if "/history=" in s.partition]
    return [s for s in snapshots if s not in history], history


def _received(lake: Lake, raw: Sequence[SnapshotRef], shard: int, window: Window) -> pl.DataFrame:
    """The shard's raw rows, with `asked_for`: bars of the window, or of the days before it from a part for history."""
    within, history = _parts(raw)
    day = read_day(pl.col("date"))
    parts = [
        lake.read(RAW_PRICES, history).with_columns(asked_for=day < window.first),
        lake.read(RAW_PRICES, within).with_columns(asked_for=day.is_between(window.first, window.last)),
    ]
    return pl.concat(parts).filter(pl.col("shard") == shard).drop("shard").with_row_index("row").collect()
