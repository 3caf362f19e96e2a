"""However rows are committed and however often they are read, the lake has what the table holds."""

import secrets
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tasks.datasets import QuarantineLimits
from tasks.lake import open_lake
from tests.servers.postgres import postgres
from tests.tasks.extract.queries.orders import QUERY, RAW_ORDERS, START, Shop, received, rejected
from tests.tasks.extract.queries.test_query import shop

__all__ = ["postgres", "shop"]

LAG = timedelta(hours=2)
FEW_ROWS = replace(RAW_ORDERS, limits=QuarantineLimits(warning=1.0, failure=1.0))  # of which all may be bad
AHEAD = 180 * 365 * 24  # hours
ZONES = (UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=11, minutes=30)))
FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M")

commits = st.tuples(
    st.integers(0, 4),  # the order
    st.integers(0, 30),  # hours since the commit before
    st.sampled_from([0, 0, 0, 1, 2, None, AHEAD]),  # hours that its time is late; none at all; ahead
    st.sampled_from([None, "1.00", "2.00"]),
    st.sampled_from(ZONES),
    st.sampled_from(FORMS),
)
readings = st.integers(1, 3)  # rows in a frame
histories = st.lists(st.one_of(commits, commits, readings), max_size=12)
several = settings(
    derandomize=True,
    max_examples=10,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def written(shop: Shop, moment: datetime, zone: timezone, form: str) -> object:
    if not shop.url.startswith("sqlite"):
        return moment.astimezone(zone)
    return moment.astimezone(zone if form.endswith("%z") else UTC).strftime(form)


@several
@given(histories)
def test_with_a_key_the_last_of_each_row_is_that_of_the_table(shop: Shop, tmp_path: Path, history: list[Any]) -> None:
    shop.execute("DELETE FROM orders")
    lake = open_lake(str(tmp_path / secrets.token_hex(8)))
    query = QUERY.model_copy(update={"key": ("id",), "lag": LAG})
    table: dict[int, tuple[float | None, str | None]] = {}
    clock = 0
    for step in [*history, 2]:
        if isinstance(step, int):
            shop.extracted(lake, query, step, FEW_ROWS)
            continue
        number, passed, late, amount, zone, form = step
        clock += passed
        hours = None if late is None else clock + late if late == AHEAD else max(0, clock - late)
        at = None if hours is None else written(shop, START + timedelta(hours=hours), zone, form)
        shop.execute("DELETE FROM orders WHERE id = ?", [(number,)])
        shop.execute("INSERT INTO orders VALUES (?, ?, 'Ann', ?)", [(number, at, amount)])
        table[number] = (hours, amount)
    last = {number: (hours, amount) for number, hours, _, amount in received(lake)}
    assert {number: last.get(number) for number, row in table.items() if row[0] is not None} == {
        number: row for number, row in table.items() if row[0] is not None
    }
    assert {int(number) for number, *_ in rejected(lake)} == {n for n, row in table.items() if row[0] is None}


@several
@given(histories)
def test_without_a_key_there_are_as_many_of_each_as_in_the_table(
    shop: Shop, tmp_path: Path, history: list[Any]
) -> None:
    shop.execute("DELETE FROM orders")
    lake = open_lake(str(tmp_path / secrets.token_hex(8)))
    sql = "SELECT 0 AS id, changed_at, customer, amount FROM orders"
    query = QUERY.model_copy(update={"lag": LAG, "sql": sql})
    table: Counter[tuple[float, str | None]] = Counter()
    clock = 0
    for number, step in enumerate([*history, 2]):
        if isinstance(step, int):
            shop.extracted(lake, query, step, FEW_ROWS)
            continue
        _, passed, late, amount, zone, form = step
        clock += passed // 15
        hours = None if late is None else clock + late if late == AHEAD else max(0, clock - late)
        at = None if hours is None else written(shop, START + timedelta(hours=hours), zone, form)
        shop.execute("INSERT INTO orders VALUES (?, ?, 'Ann', ?)", [(number, at, amount)])
        if hours is not None:
            table[hours, amount] += 1
    assert Counter((hours, amount) for _, hours, _, amount in received(lake)) == table
