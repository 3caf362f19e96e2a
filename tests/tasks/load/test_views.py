"""The views of the dashboard, on every warehouse; and as T-SQL."""

from collections.abc import Callable
from datetime import date, timedelta

import polars as pl
import sqlglot

from tasks.datasets import DATA_QUALITY, PRICE_MEASURES, PRICES, Dataset
from tasks.load.request import Part
from tasks.load.views import VIEWS, ensure_views
from tasks.load.warehouse import Warehouse
from tests.tasks.warehouses.examples import query
from tests.tasks.warehouses.recorder import Recorder

FIRST = date(2024, 1, 1)
BAR = {"open": 1.0, "high": 3.0, "low": 1.0, "close": 2.0, "adjusted_close": 2.0, "volume": 10}


def load(warehouse: Warehouse, dataset: Dataset, rows: list[dict[str, object]]) -> None:
    schema = {name: dataset.polars_schema[name] for name in dataset.table_columns}
    frame = pl.DataFrame(rows, schema=schema)
    warehouse.load(
        dataset, [Part("p", f"snapshot of {dataset.name}", frame, frame.select(dataset.key).clear())], run="r"
    )


def bars(code: str, days: int) -> list[dict[str, object]]:
    return [{"code": code, "date": FIRST + timedelta(days=n), **BAR} for n in range(days)]


def check(window: date, name: str, value: float) -> dict[str, object]:
    return {
        "window_first": window,
        "window_last": window + timedelta(days=6),
        "dataset": "prices",
        "check": name,
        "severity": "warning",
        "passed": value == 0,
        "value": value,
        "threshold": 0.0,
        "detail": "",
    }


def test_a_dashboard_finds_its_shapes(warehouse: Warehouse) -> None:
    load(warehouse, PRICES, bars("AAA.US", 3) + bars("BBB.US", 1))
    later = FIRST + timedelta(days=7)
    load(warehouse, DATA_QUALITY, [check(FIRST, "jumps", 5.0), check(later, "jumps", 0.0), check(FIRST, "old", 1.0)])
    assert warehouse.ensure_views() == ["dim_instrument", "fact_price", "data_quality_latest"]
    days = {"first_session": pl.Date(), "last_session": pl.Date()}
    instruments = query(warehouse, "SELECT * FROM dim_instrument ORDER BY code", types=days)
    assert instruments.rows() == [
        ("AAA.US", FIRST, FIRST + timedelta(days=2), 3),
        ("BBB.US", FIRST, FIRST, 1),
    ]
    assert query(warehouse, "SELECT count(*) AS n FROM fact_price").item() == 4
    latest = query(warehouse, 'SELECT "check", value FROM data_quality_latest ORDER BY "check"')
    assert latest.rows() == [("jumps", 0.0), ("old", 1.0)]


def test_they_are_made_once_and_follow_what_is_loaded(warehouse: Warehouse) -> None:
    load(warehouse, PRICES, bars("AAA.US", 1))
    assert warehouse.ensure_views() == ["dim_instrument", "fact_price"]
    assert warehouse.ensure_views() == []
    extra = pl.DataFrame(bars("CCC.US", 1), schema={n: PRICES.polars_schema[n] for n in PRICES.table_columns})
    warehouse.load(PRICES, [Part("q", "t", extra, extra.select(PRICES.key).clear())], run="r")
    assert query(warehouse, "SELECT count(*) AS n FROM dim_instrument").item() == 2


def test_one_with_other_columns_is_made_anew(warehouse: Warehouse, execute: Callable[[str], int]) -> None:
    load(warehouse, PRICES, bars("AAA.US", 1))
    execute("CREATE VIEW fact_price AS SELECT code FROM prices")
    assert "fact_price" in warehouse.ensure_views()
    assert query(warehouse, "SELECT * FROM fact_price").columns == list(PRICES.table_columns)


def test_they_are_t_sql() -> None:
    columns = {
        dataset.table or "": [(name, "", False, 0) for name in dataset.table_columns]
        for dataset in (PRICES, PRICE_MEASURES, DATA_QUALITY)
    }
    recorder = Recorder(tables=columns)
    assert ensure_views(recorder) == list(VIEWS)
    made = [statement for statement in recorder.statements if "CREATE VIEW" in statement]
    assert len(made) == len(VIEWS)
    for statement in made:
        assert ":" not in statement
        assert "?" not in statement
        sqlglot.parse_one(statement, dialect="tsql")
