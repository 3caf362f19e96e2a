"""Rows that the source takes back: they were stored, and a later answer, which is whole, does not have them.

They are kept apart with what the answer said so, and no older answer brings them back."""

from collections.abc import Callable

import polars as pl

from tasks.datasets import Dataset
from tasks.lake import Change, Lake, SnapshotRef

_LONG_BEFORE = pl.duration(days=1)
# Of rows that are stored those that a later answer speaks of, with `withdrawn_at`: when that was given.
Covered = Callable[[pl.DataFrame], pl.DataFrame]


def whole_answers(attempts: pl.DataFrame, received: pl.DataFrame, *, limited: bool) -> pl.DataFrame:
    """`code, asked_first, asked_last, withdrawn_at`: the days of which each answer says all that there is.

    Takes rows of FETCHES, the last attempt at each part of a code, and the bars that came, with `day` and `asked_for`.
    Not whole is an answer with a bar of no day, or of one that was not asked for, and one whose bars are not there. One
    without any bar may come of an outage: it counts where the source gave some for another part, not long before.
    Where a plan limits what is answered, an answer says nothing of the days before its first bar."""
    of = ["code", "fetched_at"]
    sound = pl.col("asked_for").fill_null(value=False).all()
    facts = received.group_by(of).agg(first_bar=pl.col("day").min(), sound=sound)
    outcome = pl.col("outcome").cast(pl.String)
    gave = attempts.filter(outcome == "fetched").group_by("code").agg(gave_at=pl.col("fetched_at").max())
    whole = (
        attempts.join(gave, on="code", how="left")
        .filter(
            (outcome == "fetched") | ((outcome == "empty") & (pl.col("gave_at") > pl.col("fetched_at") - _LONG_BEFORE)),
            pl.col("asked_first").is_not_null(),
        )
        .join(facts, on=of, how="left")
        .filter(pl.col("sound").fill_null(outcome == "empty"))
    )
    if limited:
        whole = whole.with_columns(asked_first=pl.max_horizontal("asked_first", "first_bar")).drop_nulls("first_bar")
    return whole.select("code", "asked_first", "asked_last", withdrawn_at="fetched_at")


def covered_by(answers: pl.DataFrame, newest: str) -> Covered:
    """For `whole_answers`."""

    def covered(stored: pl.DataFrame) -> pl.DataFrame:
        spoken_of = stored.join(answers, on="code").filter(
            pl.col("date").is_between(pl.col("asked_first"), pl.col("asked_last")),
            pl.col(newest) < pl.col("withdrawn_at"),
        )
        return spoken_of.drop("asked_first", "asked_last").unique(["code", "date"], keep="last")

    return covered


def keep_withdrawn(lake: Lake, dataset: Dataset, partition: str, gone: pl.DataFrame, run: str) -> None:
    """Adds rows, which have `withdrawn_at`, to those that were withdrawn from the partition."""
    if gone.is_empty():
        return

    def change(current: SnapshotRef | None) -> Change | None:
        rows = gone.with_columns(run=pl.lit(run)).select(dataset.withdrawn.polars_schema.names())
        before = lake.read(dataset.withdrawn, [current] if current else []).collect()
        kept = before.join(rows, on=dataset.key, how="anti")
        return Change([pl.concat([kept, rows]).sort(dataset.sort)], inputs=(), merged=True)

    lake.update(dataset.withdrawn, partition, change, run)


def taken_back_later(lake: Lake, dataset: Dataset, partition: str, rows: pl.DataFrame, newest: str) -> pl.DataFrame:
    """Of these rows those that a later answer than their own has withdrawn."""
    current = lake.current(dataset.withdrawn, partition)
    if current is None or rows.is_empty():
        return rows.clear()
    withdrawn = lake.read(dataset.withdrawn, [current]).select(*dataset.key, "withdrawn_at").collect()
    return rows.join(withdrawn, on=dataset.key).filter(pl.col(newest) <= pl.col("withdrawn_at")).drop("withdrawn_at")
