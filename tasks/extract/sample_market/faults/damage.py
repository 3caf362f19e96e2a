"""Records spoilt on purpose. What is spoilt depends on seed, code and date, so a retry gets the same."""

from collections.abc import Callable
from typing import Any

import polars as pl

from tasks.extract.sample_market.faults.faults import Faults

Record = dict[str, Any]  # a JSON object, which may lack a field or hold a text where a number belongs


def spoilt(fault: str, faults: Faults, code: str, bars: pl.DataFrame) -> list[Record]:
    """The records of the bars, those that `faults.damaged` chooses spoilt by the fault."""
    spoil = _SPOIL[fault]
    records = bars.with_columns(pl.col("date").cast(pl.String)).to_dicts()
    damaged = faults.damaged(code, bars["date"])
    return [out for record, hit in zip(records, damaged, strict=True) for out in (spoil(record) if hit else [record])]


def _missing_field(record: Record) -> list[Record]:
    return [{name: value for name, value in record.items() if name != "close"}]


def _high_below_low(record: Record) -> list[Record]:
    low = round(min(record["low"], record["high"] - 0.01), 4)
    return [{**record, "high": low, "low": record["high"]}]


_SPOIL: dict[str, Callable[[Record], list[Record]]] = {
    "missing_field": _missing_field,
    "null_number": lambda record: [{**record, "close": None}],
    "text_number": lambda record: [{**record, "close": "n/a"}],
    "duplicate_records": lambda record: [record, record],
    "conflicting_records": lambda record: [record, {**record, "close": round(record["close"] * 1.01 + 0.01, 4)}],
    "negative_price": lambda record: [{**record, "close": -record["close"]}],
    "high_below_low": _high_below_low,
}
