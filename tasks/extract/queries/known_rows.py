"""Which rows that come again the lake has already: what it kept last of them, against what is there now."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

_NTH = "nth of the same"
_DISORDER = timedelta(days=2)  # at most, of the times in a column of SQLite, which sorts them as texts


class KnownRows:
    """The rows of snapshots, oldest first, without the columns that are another in every run.

    With a key, what the lake has of it is the row that came last. Without one, rows with the same values are told
    apart by how many there are."""

    def __init__(self, rows: pl.LazyFrame, column: str, key: Sequence[str]) -> None:
        self._rows = rows
        self._same = rows.collect_schema().names()
        self._column = column
        self._key = list(key)
        self._before: pl.DataFrame | None = None

    def unknown(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows that the lake does not have with the same values. Rows come in the order of the column."""
        if self._key:
            keys = rows.lazy().select(self._key).unique()
            came = self._rows.join(keys, on=self._key, how="semi", nulls_equal=True, maintain_order="left")
            last = came.unique(self._key, keep="last", maintain_order=True).collect()
            return rows.join(last, on=self._same, how="anti", nulls_equal=True, maintain_order="left")
        column = pl.col(self._column)
        least, most = pl.lit(rows[self._column].min()), pl.lit(rows[self._column].max())
        known = _numbered(self._rows.filter(column.is_between(least, most)).collect(), self._same)
        before = rows.clear() if self._before is None else self._before
        numbered = _numbered(pl.concat([before, rows]), self._same)
        disorder = _DISORDER if isinstance(rows.schema[self._column], pl.Datetime) else None
        self._before = numbered.select(rows.columns).filter(column >= (most - disorder if disorder else most))
        coming = numbered.slice(before.height)
        return coming.join(known, on=[*self._same, _NTH], how="anti", nulls_equal=True, maintain_order="left").drop(
            _NTH
        )


def _numbered(rows: pl.DataFrame, same: Sequence[str]) -> pl.DataFrame:
    return rows.with_columns(pl.int_range(pl.len()).over(same).alias(_NTH))
