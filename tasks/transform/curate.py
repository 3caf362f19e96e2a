"""Raw bars become the typed, deduplicated dataset `curated/prices`; rows that break the contract go to quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import dataframely as dy
import polars as pl

from tasks.datasets import FETCHES, PRICES, QUARANTINED_PRICES, RAW_PRICES, PriceRow
from tasks.errors import ContractError
from tasks.lake import Change, Lake, SnapshotRef
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

    Of several values for a code and date the one fetched last wins. Doing it again changes nothing. Codes of which a
    part could not be fetched go to quarantine: half a restated history would be worse than none."""
    unfit = _unfit_codes(lake, fetches)
    figures = Figures()
    for shard in range(PRICES.shards):
        received = _received(lake, raw, shard, window)
        good, bad = _judged(received, unfit)
        _quarantine(lake, f"window={window}/shard={shard}", bad, [s.snapshot for s in raw], run)
        rows = _latest(good)
        figures += Figures(received=received.height, quarantined=bad.height, duplicates=good.height - rows.height)
        for (year,), some in rows.group_by(pl.col("date").dt.year()):
            figures += _merge(lake, PRICES.partition(int(str(year)), shard), some, run)
    return figures.balanced()


def _unfit_codes(lake: Lake, fetches: Sequence[SnapshotRef]) -> list[str]:
    failed = pl.col("outcome").cast(pl.String).is_in(["refused", "failed"])
    return lake.read(FETCHES, fetches).filter(failed).select("code").unique().collect().get_column("code").to_list()


class _Received(PriceRow):
    """A bar, the number of its raw row, and whether it is of the days that were asked for."""

    row = dy.UInt32()
    asked_for = dy.Bool()

    @dy.rule()
    def within_the_days_asked_for(cls) -> pl.Expr:  # noqa: N805 - dataframely passes the class
        return pl.col("asked_for")


def _received(lake: Lake, raw: Sequence[SnapshotRef], shard: int, window: Window) -> pl.DataFrame:
    """The shard's raw rows, with `asked_for`: bars of the window, or of the days before it from a part for history."""
    day = pl.col("date").str.to_date("%Y-%m-%d", strict=False)
    parts = [
        lake.read(RAW_PRICES, [s for s in raw if "/history=" in s.partition]).with_columns(
            asked_for=day < window.first
        ),
        lake.read(RAW_PRICES, [s for s in raw if "/history=" not in s.partition]).with_columns(
            asked_for=day.is_between(window.first, window.last)
        ),
    ]
    return pl.concat(parts).filter(pl.col("shard") == shard).drop("shard").with_row_index("row").collect()


def _judged(received: pl.DataFrame, unfit: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that meet the contract, in the columns of PRICES, and the others, in those of QUARANTINED_PRICES."""
    is_unfit = pl.col("code").is_in(unfit)
    typed = received.filter(~is_unfit).with_columns(
        pl.col("date").str.to_date("%Y-%m-%d", strict=False),
        pl.col("volume").cast(pl.Int64, strict=False),
        pl.col("asked_for").fill_null(value=True),  # a date that is none is reason enough
    )
    good, failure = _Received.filter(typed, cast=True)
    broken = _with_reasons(received, failure)
    half = received.filter(is_unfit).with_columns(reasons=pl.lit("another part of this code could not be fetched"))
    columns = QUARANTINED_PRICES.polars_schema.names()
    return good.select(PRICES.polars_schema.names()), pl.concat([broken.select(columns), half.select(columns)])


def _with_reasons(received: pl.DataFrame, failure: dy.FailureInfo) -> pl.DataFrame:
    details = failure.details()
    rules = [name for name in details.columns if name not in _Received.column_names()]
    names = [pl.when(pl.col(r) == "invalid").then(pl.lit(r.replace("|", ": "))) for r in rules]
    reasons = details.select(
        "row", reasons=pl.concat_str(names, separator="; ", ignore_nulls=True) if names else pl.lit("")
    )
    return received.join(reasons, on="row", how="inner", maintain_order="left")


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
        is_new = pl.col("fetched_at_stored").is_null()
        differs = pl.any_horizontal(pl.col(v) != pl.col(f"{v}_stored") for v in _VALUES)
        is_revised = differs & (pl.col("fetched_at") > pl.col("fetched_at_stored"))
        added = compared.filter(is_new).select(stored.columns)
        revised = compared.filter(is_revised).select(stored.columns)
        figures = Figures(
            added=added.height, revised=revised.height, unchanged=rows.height - added.height - revised.height
        )
        if added.is_empty() and revised.is_empty():
            return None
        kept = stored.join(revised, on=_KEY, how="anti") if revised.height else stored
        return Change([pl.concat([kept, added, revised]).sort(PRICES.sort)], inputs=())

    lake.update(PRICES, partition, change, run)
    return figures
