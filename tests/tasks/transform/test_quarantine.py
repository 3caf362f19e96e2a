"""Rows that break a contract: told from the others in words, kept as received, and every row accounted for."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.datasets import Dataset, QuarantineLimits
from tasks.errors import ContractError
from tasks.lake import Lake, open_lake
from tasks.transform.merge import Figures
from tasks.transform.quarantine import curate_rows, put_in_quarantine, split_rows

NO_DATE = 'date is no date in ISO 8601: "format" or "epoch" in the metadata of the column can say how it is written'
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


class Sales(dy.Schema):
    shop = dy.String(primary_key=True, min_length=2, max_length=5)
    date = dy.Date(primary_key=True)
    net = dy.Float64(min_exclusive=0)
    gross = dy.Float64(nullable=True, max=1000)
    pieces = dy.Int64(min=1, nullable=True)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")

    @dy.rule()
    def gross_is_below_net(cls) -> pl.Expr:  # noqa: N805 - dataframely passes the class
        return pl.col("gross") >= pl.col("net")


SALES = Dataset("sales", "curated", Sales, ("date", "shop"), period="date", table="sales", only_in_lake=("fetched_at",))
PATIENT = replace(SALES, limits=QuarantineLimits(failure=1.0))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def sale(shop: str | None = "A1", day: object = "2024-01-31", hours: float = 0, **values: object) -> dict[str, object]:
    sound: dict[str, object] = {"net": 10.0, "gross": 12.0, "pieces": 1}
    return {"shop": shop, "date": day, **sound, **values, "fetched_at": NOON + timedelta(hours=hours)}


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), infer_schema_length=None, strict=False)


def curated(lake: Lake, *rows: dict[str, object], batch: str = "b") -> Figures:
    return curate_rows(lake, SALES, frame(*rows), batch, "test")


def stored(lake: Lake) -> list[tuple[Any, ...]]:
    rows = lake.read(SALES, lake.partitions(SALES)).select("shop", "date", "net").sort("shop", "date")
    return rows.collect().rows()


def bad(lake: Lake) -> pl.DataFrame:
    return lake.read(SALES.quarantine, lake.partitions(SALES.quarantine)).collect()


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        (sale(shop=None), "shop is missing"),
        (sale(shop="A"), "shop is too short"),
        (sale(shop="A12345"), "shop is too long"),
        (sale(day="2024-02-30"), NO_DATE),
        (sale(day="31/01/2024"), NO_DATE),
        (sale(net=0.0), "net is not above zero"),
        (sale(net=None), "net is missing"),
        (sale(net=math.nan, gross=None), "net is not a number"),
        (sale(net=math.inf, gross=None), "net is infinite"),
        (sale(gross=1001.0), "gross is above 1000"),
        (sale(pieces=0), "pieces is below 1"),
        (sale(gross=9.0), "gross is below net"),
        (
            sale(shop="A", day=None, net=-1.0),
            "shop is too short; net is not above zero; date is missing",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_said_in_words(row, reasons):
    good, rejected = split_rows(frame(row, sale()), SALES)
    assert good.height == 1
    assert good.schema == SALES.polars_schema
    assert rejected.schema == SALES.quarantine.polars_schema
    assert rejected["reasons"].to_list() == [reasons]


def test_rejected_rows_are_kept_as_they_were_received():
    _, rejected = split_rows(frame(sale(shop="A", day="yesterday", net=-1.5)), SALES)
    told = rejected.row(0, named=True)
    assert told.pop("fetched_at").startswith("2024-06-01 12:00:00")
    assert told == {
        "shop": "A",
        "date": "yesterday",
        "net": "-1.5",
        "gross": "12.0",
        "pieces": "1",
        "reasons": f"shop is too short; net is not above zero; {NO_DATE}",
    }


def test_a_missing_column_is_named():
    with pytest.raises(ContractError, match="Rows for sales have no net, pieces, but shop"):
        split_rows(frame(sale()).drop("net", "pieces"), SALES)


def test_each_row_is_published_or_in_quarantine_or_a_duplicate(lake):
    figures = curated(lake, sale(), sale(hours=1, net=11.0), sale("B1"), sale("B1", "2023-01-31"), sale("B1", net=0.0))
    assert figures == Figures(received=5, quarantined=1, duplicates=1, added=3)
    assert stored(lake) == [
        ("A1", date(2024, 1, 31), 11.0),
        ("B1", date(2023, 1, 31), 10.0),
        ("B1", date(2024, 1, 31), 10.0),
    ]
    assert sorted(s.partition for s in lake.partitions(SALES)) == ["year=2023/shard=0", "year=2024/shard=0"]


def test_the_same_batch_again_changes_nothing_and_a_corrected_one_empties_its_quarantine(lake):
    rows = [sale(), sale("B1", net=0.0)]
    curated(lake, *rows)
    before = [s.snapshot for d in (SALES, SALES.quarantine) for s in lake.partitions(d)]
    assert curated(lake, *rows) == Figures(received=2, quarantined=1, unchanged=1)
    assert [s.snapshot for d in (SALES, SALES.quarantine) for s in lake.partitions(d)] == before
    curated(lake, sale("C1", net=0.0), sale("C1"), batch="another")
    assert curated(lake, sale(), sale("B1", net=1.0)) == Figures(received=2, added=1, unchanged=1)
    assert bad(lake)["shop"].to_list() == ["C1"]


def test_what_was_fetched_last_stands_in_whatever_order_it_comes(lake):
    curated(lake, sale(hours=2, net=2.0))
    assert curated(lake, sale(hours=1, net=1.0)) == Figures(received=1, unchanged=1)
    assert stored(lake)[0][2] == 2.0
    assert curated(lake, sale(hours=3, net=3.0)) == Figures(received=1, revised=1)
    assert stored(lake)[0][2] == 3.0


def test_a_batch_that_is_mostly_in_quarantine_fails_and_merges_nothing(lake):
    curated(lake, sale())
    with pytest.raises(ContractError, match=r"2 of 3 rows for sales are in quarantine.* limit of 50%: 2 of them"):
        curated(lake, sale(net=2.0, hours=1), sale("B1", net=0.0), sale("C1", net=0.0), batch="worse")
    assert stored(lake) == [("A1", date(2024, 1, 31), 10.0)]
    assert bad(lake)["shop"].to_list() == ["B1", "C1"]


def test_each_dataset_has_limits_of_its_own(lake):
    assert curate_rows(lake, PATIENT, frame(sale(net=0.0)), "b", "test") == Figures(received=1, quarantined=1)


@pytest.mark.parametrize(
    ("quarantined", "received", "beyond"),
    [(0, 0, None), (1, 100, None), (2, 100, "warning"), (50, 100, "warning"), (51, 100, "failure"), (1, 1, "failure")],
)
def test_what_is_beyond_a_limit(quarantined, received, beyond):
    assert QuarantineLimits(warning=0.01, failure=0.5).judge(quarantined, received) == beyond


def test_nothing_is_put_where_nothing_is_wrong(lake):
    nothing = pl.DataFrame(schema=SALES.quarantine.polars_schema)
    put_in_quarantine(lake, SALES.quarantine, "b", nothing, "test")
    assert lake.partitions(SALES.quarantine) == []


shops = st.sampled_from(["A1", "B1", "B", None])
nets = st.sampled_from([None, 0.0, 1.0, 2.0])
some = st.lists(st.builds(sale, shops, st.sampled_from(["2023-12-31", "2024-01-01", "?"]), st.integers(0, 2), net=nets))


@settings(max_examples=30)
@given(st.lists(some.filter(bool), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_batches_in_any_order_come_to_the_newest_of_each_key(tmp_path_factory, batches, random):
    # Rows that are as new as each other have the same values: which of them stands would depend on the order.
    batches = [[row | {"net": row["net"] and row["net"] + i} for row in batch] for i, batch in enumerate(batches)]
    for i, batch in enumerate(batches):
        for row in batch:
            row["fetched_at"] += timedelta(days=i)
    lake = open_lake(str(tmp_path_factory.mktemp("lake")))
    newest: dict[tuple[str, date], tuple[datetime, float]] = {}
    for batch in batches:
        for row in batch:
            if row["shop"] in {"A1", "B1"} and row["date"] != "?" and row["net"]:
                key = row["shop"], date.fromisoformat(row["date"])
                known = newest.get(key)
                if known is None or row["fetched_at"] >= known[0]:
                    newest[key] = row["fetched_at"], row["net"]
    order = list(range(len(batches)))
    random.shuffle(order)
    for i in order:
        figures = curate_rows(lake, PATIENT, frame(*batches[i]), f"b{i}", "test")
        assert figures.received == len(batches[i]) == figures.published + figures.quarantined + figures.duplicates
    assert stored(lake) == [(*key, net) for key, (_, net) in sorted(newest.items())]
