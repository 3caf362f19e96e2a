"""A small dataset for tests of the lake, in its first form and with a column more."""

from collections.abc import Sequence
from datetime import date, timedelta

import dataframely as dy
import polars as pl

from tasks.datasets import Dataset
from tasks.lake import Change


class Reading(dy.Schema):
    sensor = dy.String(primary_key=True)
    day = dy.Date(primary_key=True)
    value = dy.Float64(nullable=True)


class ReadingWithUnit(Reading):
    unit = dy.String(nullable=True)


READINGS = Dataset("readings", "curated", Reading, sort=("day", "sensor"), period="day")
WITH_UNIT = Dataset("readings", "curated", ReadingWithUnit, sort=("day", "sensor"), period="day")
START = date(2024, 1, 1)


def readings(*values: float | None, sensor: str = "a") -> pl.DataFrame:
    """One row per day from START on."""
    days = [START + timedelta(days=n) for n in range(len(values))]
    return pl.DataFrame(
        {"sensor": [sensor] * len(values), "day": days, "value": list(values)}, schema=READINGS.polars_schema
    )


def change(*frames: pl.DataFrame, inputs: Sequence[str] = ()) -> Change:
    return Change(list(frames), tuple(inputs))
