"""Raw bars become the typed, deduplicated dataset `curated/prices`; rows that break the contract go to quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import polars as pl

from tasks.datasets import FETCHES, PRICES, QUARANTINED_PRICES, RAW_PRICES
from tasks.errors import ContractError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.transform.judge import judged, read_day
from tasks.window import Window

_KEY = ("code", "date")
_VALUES = ("open", "high", "low", "close", "adjusted_close", "volume")


@dataclass(frozen=True)
class Figures:
    """Rows, by what became of them."""

    received: int = 0
    quarantined: int = 0
    duplicates: int = 0  # the same code and date again, in the same window
    added: int = 0
    revised: int = 0  # with other values than the lake had
    unchanged: int = 0

    @property
    def published(self) -> int:
        return self.added + self.revised + self.unchanged

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def balanced(self) -> "Figures":
        """These figures. Raises ContractError unless every row received is accounted for."""
        if self.received != self.published + self.quarantined + self.duplicates:
            raise ContractError(f"Rows were lost or made while curating: {self}. This is a fault of the program.")
        return self


def curate(lake: Lake, window: Window, raw: Sequence[SnapshotRef], fetches: Sequence[SnapshotRef], run: str) -> Figures:
    """Merges the window's raw bars into `curated/prices`, one shard of codes at a time.

    Of several values for a code and date the one fetched last wins, in whatever order they are curated. Doing it again
    changes nothing. Codes of which a part could not be fetched go to quarantine: half a restated history would be worse
    than none. Raises ContractError if the figures do not add up."""
    unfit = _unfit_codes(lake, fetches)
    inputs = [s.snapshot for s in (*raw, *fetches)]
    figures = Figures()
    for shard in range(PRICES.shards):
        received = _received(lake, raw, shard, window)
        good, bad = judged(received, unfit)
        _quarantine(lake, f"window={window}/shard={shard}", bad, inputs, run)
        rows = _latest(good)
        figures += Figures(received=received.height, quarantined=bad.height, duplicates=good.height - rows.height)
        for (year,), some in rows.group_by(pl.col("date").dt.year()):
            figures += _merge(lake, PRICES.partition(int(str(year)), shard), some, run)
    return figures.balanced()


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


def _quarantine(lake: Lake, partition: str, rows: pl.DataFrame, inputs: Sequence[str], run: str) -> None:
    def change(current: SnapshotRef | None) -> Change | None:
        known = current is not None and current.inputs == tuple(inputs)
        return None if known or (current is None and rows.is_empty()) else Change([rows], tuple(inputs))

    lake.update(QUARANTINED_PRICES, partition, change, run)


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per code and date: the one fetched last, and of those the one that came last."""
    ordered = rows.sort(*_KEY, "fetched_at", maintain_order=True)
    repeated = pl.all_horizontal(pl.col(k) == pl.col(k).shift(-1) for k in _KEY).fill_null(value=False)
    return ordered.filter(~repeated)


def _merge(lake: Lake, partition: str, rows: pl.DataFrame, run: str) -> Figures:
    """Publishes the partition with these rows in it. Rows that an earlier fetch brought do not replace later ones."""
    figures = Figures()

    def change(current: SnapshotRef | None) -> Change | None:
        nonlocal figures
        stored = lake.read(PRICES, [current] if current else []).collect()
        compared = rows.join(stored, on=_KEY, how="left", suffix="_stored", maintain_order="left")
        added = compared.filter(pl.col("fetched_at_stored").is_null())
        # Also those with the same values: that they were fetched so late keeps an earlier fetch from replacing them.
        later = compared.filter(pl.col("fetched_at") > pl.col("fetched_at_stored"))
        revised = later.filter(pl.any_horizontal(pl.col(v) != pl.col(f"{v}_stored") for v in _VALUES)).height
        figures = Figures(added=added.height, revised=revised, unchanged=rows.height - added.height - revised)
        if added.is_empty() and later.is_empty():
            return None
        kept = stored.join(later, on=_KEY, how="anti") if later.height else stored
        fresh = [frame.select(stored.columns) for frame in (added, later)]
        return Change([pl.concat([kept, *fresh]).sort(PRICES.sort)], inputs=())

    lake.update(PRICES, partition, change, run)
    return figures
