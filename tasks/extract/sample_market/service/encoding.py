"""Bars and records as the bytes of an answer."""

import csv
import io
from typing import Any, Literal

import msgspec
import polars as pl

Format = Literal["json", "csv"]


def bars_body(bars: pl.DataFrame, fmt: Format) -> bytes:
    """A JSON array of one object per bar, or CSV with the source's headings."""
    if fmt == "json":
        return bars.write_json().encode()
    return bars.rename(str.capitalize).write_csv().encode()


def records_body(records: list[dict[str, Any]], fmt: Format) -> bytes:
    """The same of records, which need not have the same fields."""
    if fmt == "json":
        return msgspec.json.encode(records)
    text = io.StringIO()
    fields = list(dict.fromkeys(name for record in records for name in record))
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writerow({name: name.capitalize() for name in fields})
    writer.writerows(records)
    return text.getvalue().encode()


def with_warning(body: bytes) -> bytes:
    """The last record of a JSON array gets the key that a free plan adds."""
    return body[:-2] + b',"warning":"' + FREE_WARNING + b'"}]' if body.endswith(b"}]") else body


FREE_WARNING = b"Data is limited by one year as you have free subscription."


def by_period(bars: pl.DataFrame, period: Literal["d", "w", "m"]) -> pl.DataFrame:
    """Days, or weeks and months by the date of their last session in the range."""
    if period == "d":
        return bars
    grouped = bars.group_by_dynamic(pl.col("date").alias("start"), every=f"1{'w' if period == 'w' else 'mo'}").agg(
        pl.col("date").last(),
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close", "adjusted_close").last(),
        pl.col("volume").sum(),
    )
    return grouped.select(bars.columns)


def last_value(bars: pl.DataFrame, name: str) -> bytes:
    """The bare value of `filter=last_close` and its like; `[]` where there is no bar."""
    if not len(bars):
        return b"[]"
    value = bars[name][-1]
    return msgspec.json.encode(value.isoformat() if name == "date" else value)
