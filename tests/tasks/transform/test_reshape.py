"""Wide files become long, and the trailing mean, beside the same in pandas."""

import math
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.errors import ConfigurationError, ContractError
from tasks.transform.reshape import to_long, trailing_mean

MONDAY = date(2024, 1, 1)
codes = st.text("ABC", min_size=1, max_size=2)
values = st.floats(-1e6, 1e6)
cells = st.one_of(values, st.none(), st.just(math.nan))
days = st.integers(0, 8).map(lambda n: MONDAY + timedelta(days=n))


@st.composite
def wide_frames(draw):
    """An identifier, a description, and columns of dates in any order; identifiers and dates may repeat."""
    header = draw(st.lists(days, min_size=1, max_size=8))
    names = [f"{day:%d/%m/%Y}" for day in header]
    names = [n if n not in names[:i] else f"{n}_duplicated_{i}" for i, n in enumerate(names)]
    rows = draw(st.lists(st.tuples(codes, st.lists(cells, min_size=len(names), max_size=len(names))), max_size=8))
    columns = {name: [row[i] for _, row in rows] for i, name in enumerate(names)}
    schema = {"Ticker": pl.String, "Name": pl.String, **dict.fromkeys(names, pl.Float64)}
    tickers = [code for code, _ in rows]
    return pl.DataFrame({"Ticker": tickers, "Name": tickers, **columns}, schema=schema)


def dates_of(wide: pl.DataFrame) -> dict[str, date]:
    """The columns of dates; what polars adds to a name that repeats is no part of the date."""
    names = [name for name in wide.columns if "/" in name]
    return {n: datetime.strptime(n.partition("_")[0], "%d/%m/%Y").replace(tzinfo=UTC).date() for n in names}


def by_pandas(wide: pl.DataFrame, n: int) -> pl.DataFrame:
    """Row by row, from the definition: nothing of this is shared with ours, nor fast."""
    frame = pd.DataFrame(wide.to_dicts(), columns=wide.columns)
    long = frame.melt(id_vars=["Ticker", "Name"], var_name="date", ignore_index=False)
    long["date"] = pd.to_datetime(long["date"].str.slice(0, 10), format="%d/%m/%Y")
    long = long.drop_duplicates(["Ticker", "date"]).dropna(subset=["value"]).sort_values(["Ticker", "date"])
    rows = []
    for code, of_code in long.groupby("Ticker"):
        for i in range(len(of_code)):
            last = of_code.iloc[max(0, i - n + 1) : i + 1]
            row = of_code.iloc[i]
            rows.append((code, row["date"].date(), float(row["value"]), float(last["value"].mean()), len(last)))
    schema = {"code": pl.String, "date": pl.Date, "value": pl.Float64, "trailing_mean": pl.Float64}
    return pl.DataFrame(rows, schema={**schema, "dates_in_mean": pl.Int64}, orient="row")


@given(wide_frames(), st.integers(1, 5))
def test_it_is_what_pandas_makes_of_it(wide, n):
    found = to_long(wide, "Ticker", dates_of(wide))
    assert_frame_equal(trailing_mean(found.rows, n), by_pandas(wide, n), rel_tol=1e-9, abs_tol=1e-6)


@given(wide_frames())
def test_each_cell_is_accounted_for(wide):
    dates = dates_of(wide)
    found = to_long(wide, "Ticker", dates)
    distinct = wide["Ticker"].n_unique() * len(set(dates.values()))
    assert found.received == wide.height * len(dates)
    assert found.duplicates == found.received - distinct
    assert found.rows.height == distinct - found.empty


@given(wide_frames(), st.randoms(use_true_random=False))
def test_trailing_mean_takes_rows_in_any_order(wide, random):
    rows = to_long(wide, "Ticker", dates_of(wide)).rows
    order = list(range(rows.height))
    random.shuffle(order)
    assert_frame_equal(trailing_mean(rows[order], 3), trailing_mean(rows, 3))


def test_the_first_of_each_stands_even_if_it_is_empty():
    wide = pl.DataFrame(
        {
            "id": ["B", "A", "B"],
            "02/01/2024": [1.0, 2.0, 9.0],
            "01/01/2024": [None, 3.0, 9.0],
            "1/1/2024": [9.0, 9.0, 9.0],
        }
    )
    found = to_long(wide, "id", dates_of(wide))
    assert found.rows.rows() == [
        ("A", date(2024, 1, 1), 3.0),
        ("A", date(2024, 1, 2), 2.0),
        ("B", date(2024, 1, 2), 1.0),
    ]
    assert (found.received, found.duplicates, found.empty) == (9, 5, 1)


def test_dates_may_be_parsed_already_and_values_and_identifiers_of_other_types():
    wide = pl.DataFrame({"id": [7, 5], "x": ["a", "b"], "whole": [1, 2], "text": ["2.5", None]})
    found = to_long(wide, "id", {"text": date(2024, 1, 2), "whole": date(2024, 1, 1)})
    assert found.rows.rows() == [
        ("5", date(2024, 1, 1), 2.0),
        ("7", date(2024, 1, 1), 1.0),
        ("7", date(2024, 1, 2), 2.5),
    ]


def test_the_mean_counts_the_dates_that_a_code_has():
    rows = [("A", date(2024, 1, d), float(d)) for d in (1, 2, 9, 20)] + [("B", date(2024, 1, 2), 7.0)]
    found = trailing_mean(pl.DataFrame(rows, schema=["code", "date", "value"], orient="row"), 3)
    assert found["trailing_mean"].to_list() == pytest.approx([1, 1.5, 4, 31 / 3, 7])
    assert found["dates_in_mean"].to_list() == [1, 2, 3, 3, 1]


@pytest.mark.parametrize(
    ("wide", "dates", "message"),
    [
        ({"id": ["A"]}, {"d": MONDAY}, "no column 'd'"),
        ({"code": ["A"], "d": [1.0]}, {"d": MONDAY}, "no column 'id'"),
        ({"id": ["A"]}, {}, "without a column of a date"),
        ({"id": ["A", None], "d": [1.0, 2.0]}, {"d": MONDAY}, "1 of 2 rows"),
        ({"id": ["A", "B"], "d": ["1.0", "n/a"]}, {"d": MONDAY}, "n/a"),
    ],
)
def test_a_frame_that_is_not_as_described_is_refused(wide, dates, message):
    with pytest.raises(ContractError, match=message):
        to_long(pl.DataFrame(wide), "id", dates)


def long(*rows: tuple[str, int, float | None]) -> pl.DataFrame:
    shaped = [(code, date(2024, 1, day), value) for code, day, value in rows]
    return pl.DataFrame(shaped, schema={"code": pl.String, "date": pl.Date, "value": pl.Float64}, orient="row")


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_trailing_mean_of_no_number_is_refused(value):
    with pytest.raises(ContractError, match="null, NaN or infinite"):
        trailing_mean(long(("A", 1, 1.0), ("A", 2, value)), 2)


def test_a_trailing_mean_of_repeated_dates_is_refused():
    with pytest.raises(ContractError, match="share code and date"):
        trailing_mean(long(("A", 1, 1.0), ("B", 1, 1.0), ("A", 1, 2.0)), 2)


def test_a_trailing_mean_of_no_dates_is_refused():
    with pytest.raises(ConfigurationError, match="of 0 dates"):
        trailing_mean(long(("A", 1, 1.0)), 0)


def test_no_rows_give_no_rows():
    assert trailing_mean(long(), 3).schema == trailing_mean(long(("A", 1, 1.0)), 3).schema
