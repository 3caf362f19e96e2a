"""Conformance: staging tables of loads that died go, and nothing else does, whoever uses the warehouse meanwhile."""

from collections.abc import Callable

import pytest
import sqlglot

from tasks.database.dialects.sqlserver.dialect import SqlServer
from tasks.database.dialects.staging_names import STAGING, private_name
from tasks.database.dialects.statements import compiled
from tasks.errors import TransientError
from tasks.load.warehouse import Warehouse, open_warehouse
from tests.tasks.warehouses import program
from tests.tasks.warehouses.examples import QUOTES, part, quotes, table
from tests.tasks.warehouses.processes import Process

ROWS = quotes(("A", 1, 1.0, 1))
LEFT = f"{STAGING}quotes_0123456789abcdef"


def names(warehouse: Warehouse) -> set[str]:
    return set(warehouse._connection.fetch(warehouse._connection.dialect.tables).to_series())


def test_what_a_dead_load_left_goes_and_other_tables_stay(warehouse: Warehouse, execute: Callable[[str], int]) -> None:
    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")
    kept = names(warehouse) | {f"{STAGING}of_somebody", "etl_staging"}
    for name in (LEFT, f"{STAGING}it's_fedcba9876543210", f"{STAGING}of_somebody", "etl_staging"):
        execute(f'CREATE TABLE "{name}" (code VARCHAR(40))')

    assert warehouse.remove_abandoned_staging() == [f"{STAGING}it's_fedcba9876543210", LEFT]

    assert names(warehouse) == kept
    assert table(warehouse).rows() == ROWS.rows()
    assert warehouse.remove_abandoned_staging() == []


def test_while_a_load_is_at_work_nothing_is_removed(
    warehouse_url: str, warehouse: Warehouse, execute: Callable[[str], int]
) -> None:
    execute(f"CREATE TABLE {LEFT} (code VARCHAR(40))")
    with Process(program.hold, warehouse_url) as holder:
        assert holder.heard("held") == "held"
        with (
            pytest.raises(TransientError, match="in use"),
            open_warehouse(warehouse_url, lock_timeout=0.2) as other,
        ):
            other.remove_abandoned_staging()
        holder.kill()
    assert warehouse.remove_abandoned_staging() == [LEFT]


def test_sql_server_makes_such_names_and_finds_them_by_t_sql() -> None:
    server = SqlServer("SQL Server database prices at server", 30.0)
    made = server.staging(f"{STAGING}{'x' * 200}", [])
    assert len(made.name) == 128
    assert made.name != private_name(f"{STAGING}{'x' * 200}", 128)
    (tree,) = sqlglot.parse(compiled(server.tables, server)[0], read="tsql", error_level=sqlglot.ErrorLevel.RAISE)
    assert tree
    assert [column.alias for column in tree.expressions] == ["name"]
