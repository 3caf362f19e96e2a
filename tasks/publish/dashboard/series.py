"""What the page's script draws, as plain lists for JSON: prices and averages by code, the trend of checks."""

from datetime import date
from typing import Any

import polars as pl

from tasks.publish.dashboard import text

HISTORY = "10y"  # of prices before the last one
TREND_WINDOWS = 60

Json = dict[str, Any]


def price_series(prices: pl.DataFrame, measures: pl.DataFrame) -> list[Json]:
    """One object per code of `prices`, by name: the last ten years of its daily closes and its weekly averages.

    `days` and `sessions` are days since 1970-01-01; `closes` and `averages` are adjusted, to six significant digits.
    `change` is the last weekly return.
    """
    daily = (
        _recent(prices, "date")
        .sort("code", "date")
        .group_by("code", maintain_order=True)
        .agg(_day_numbers("date").alias("days"), _rounded("adjusted_close").alias("closes"))
    )
    weekly = (
        _recent(measures, "session")
        .sort("code", "week")
        .group_by("code", maintain_order=True)
        .agg(
            _day_numbers("session").alias("sessions"),
            _rounded("average_10w").alias("averages"),
            pl.col("weeks_in_average").alias("weeks"),
            pl.col("return_1w").last().alias("change"),
        )
    )
    change = pl.col("change")
    joined = daily.join(weekly, on="code", how="left", maintain_order="left")
    lists = [pl.col(name).fill_null([]) for name in ("sessions", "averages", "weeks")]
    return joined.with_columns(*lists, pl.when(change.is_finite()).then(change)).to_dicts()


def quality_trend(quality: pl.DataFrame) -> Json:
    """The last windows in order: `windows` with their counts; `checks`: name, dataset and one point per window."""
    order = ["window_last", "window_first"]
    windows = quality.select(order).unique().sort(order).tail(TREND_WINDOWS)
    rows = quality.join(windows, on=order, how="inner").sort(*order, "dataset", "check")
    counts = rows.group_by(order, maintain_order=True).agg(
        pl.len().alias("checks"),
        *(((pl.col("severity") == kind) & ~pl.col("passed")).sum().alias(kind) for kind in ("error", "warning")),
    )
    names = rows.select("dataset", "check").unique().sort("dataset", "check")
    return {
        "windows": [_window(row) | {k: row[k] for k in ("checks", "error", "warning")} for row in counts.to_dicts()],
        "checks": [_check_points(rows, dataset, check) for dataset, check in names.rows()],
    }


def _recent(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    last = pl.col(column).max()
    return frame.filter(pl.col(column) > last.dt.offset_by(f"-{HISTORY}")).with_columns(pl.col("code").cast(pl.String))


def _day_numbers(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Date).cast(pl.Int32)


def _rounded(column: str) -> pl.Expr:
    number = pl.col(column)
    return pl.when(number.is_finite()).then(number.round_sig_figs(6))


def _window(row: Json) -> Json:
    first: date = row["window_first"]
    last: date = row["window_last"]
    return {"window": f"{first}_{last}", "span": text.span(first, last)}


def _check_points(rows: pl.DataFrame, dataset: str, check: str) -> Json:
    own = rows.filter(pl.col("dataset") == dataset, pl.col("check") == check)
    points = [
        _window(row)
        | {
            "value": _finite(row["value"]),
            "threshold": _finite(row["threshold"]),
            "passed": row["passed"],
            "reading": text.figure(row["value"]),
            "bound": text.figure(row["threshold"]),
            "result": "passed" if row["passed"] else f"failed, {row['severity']}",
        }
        for row in own.to_dicts()
    ]
    return {"dataset": dataset, "check": check, "points": points, "measured": own["value"].is_not_null().any()}


def _finite(value: float | None) -> float | None:
    # JSON has no word for infinity, and one would cost the page all of its charts.
    return value if value is not None and abs(value) < float("inf") else None
