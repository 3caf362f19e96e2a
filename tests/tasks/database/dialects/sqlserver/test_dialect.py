"""What a load says to SQL Server, of which there is none here: sqlglot's T-SQL grammar reads every statement."""

from collections.abc import Callable, Sequence
from datetime import date, datetime

import dataframely as dy
import polars as pl
import pytest
import sqlalchemy as sa
import sqlglot
from sqlglot import exp

from tasks.database.dialects.sqlserver.dialect import SqlServer
from tasks.database.queries import stream
from tasks.datasets import CATALOGUE, Dataset
from tasks.load import contract
from tasks.load.ledger import RunRow
from tasks.load.request import Part
from tasks.load.warehouse import Warehouse
from tasks.window import Window
from tests.tasks.load.test_values import ROWS as ALL_TYPES
from tests.tasks.load.test_values import VALUES, values
from tests.tasks.warehouses.examples import QUOTES, QuotesWithNote, dataset, part, quotes
from tests.tasks.warehouses.recorder import Recorder

SERVER = SqlServer("SQL Server database prices at server", 30.0)
ROWS = quotes(("A'; --", 1, 1.0, 1), ("B", 2, 2.0, None))
KEY = "NVARCHAR(40) COLLATE Latin1_General_BIN2"
LEFT = "etl_staging_it's [x]_0123456789abcdef"
TABLE = {
    "quotes": [
        ("code", KEY, True, 1),
        ("day", "DATE", True, 2),
        ("close", "FLOAT(53)", True, 0),
        ("volume", "BIGINT", False, 0),
    ]
}


class Awkward(dy.Schema):
    code = dy.String(primary_key=True, max_length=40, alias='the "code" [x]')
    percent = dy.Float64(alias="50 % o'clock")
    request = dy.Int64(nullable=True)
    colon = dy.String(nullable=True, alias=":name; DROP TABLE quotes")


AWKWARD = dataset(Awkward, 'select "table" [of] `it\' % :x')


def _first_load(recorder: Recorder) -> None:
    rows = values([{**row, "double": None} for row in ALL_TYPES])
    Warehouse(recorder).load(VALUES, [Part("p", "s1", rows, rows.select("key").clear())], run="r1")


def _upsert(recorder: Recorder) -> None:
    Warehouse(recorder).load(QUOTES, [part("s2", ROWS, [("C", 1)])], run="r1")


def _append(recorder: Recorder) -> None:
    Warehouse(recorder).load(QUOTES, [part("s2", ROWS)], "append", run="r1")


def _replace(recorder: Recorder) -> None:
    january = Window(first=date(2024, 1, 1), last=date(2024, 1, 31))
    Warehouse(recorder).load(QUOTES, [part("s2", ROWS)], "replace", run="r1", window=january)


def _new_column(recorder: Recorder) -> None:
    rows = ROWS.with_columns(note=pl.lit("x"))
    Warehouse(recorder).load(dataset(QuotesWithNote), [part("s2", rows)], run="r1")


def _awkward_names(recorder: Recorder) -> None:
    rows = pl.DataFrame([("a", 1.5, 1, "'")], schema=AWKWARD.polars_schema, orient="row")
    recorder.tables[AWKWARD.name] = [
        (n, f"{t} COLLATE Latin1_General_BIN2" if n.startswith("the") else t, required, key)
        for n, t, required, key in zip(
            rows.columns,
            ("NVARCHAR(40)", "FLOAT(53)", "BIGINT", "NVARCHAR(MAX)"),
            (True, True, False, False),
            (1, 0, 0, 0),
            strict=True,
        )
    ]
    Warehouse(recorder).load(AWKWARD, [Part("p", "s2", rows, rows.select('the "code" [x]'))], run="r1")


def _run_row(recorder: Recorder) -> None:
    started = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
    Warehouse(recorder).record_run(RunRow(run="r1", flow="f", started=started, state="Running"))


def _stream(recorder: Recorder) -> None:
    list(stream(recorder, "SELECT code FROM quotes WHERE code IN :codes", {"codes": ["A", "B"]}, 1000))


def _leftovers(recorder: Recorder) -> None:
    recorder.tables[LEFT] = []
    assert Warehouse(recorder).remove_abandoned_staging() == [LEFT]


LOADS: Sequence[Callable[[Recorder], None]] = (
    _first_load,
    _upsert,
    _append,
    _replace,
    _new_column,
    _awkward_names,
    _run_row,
    _stream,
)


def _said(load: Callable[[Recorder], None]) -> list[str]:
    there = {} if load is _first_load else dict(TABLE)
    recorder = Recorder(there, matched=0 if load is _first_load else 1, differing=0 if load is _first_load else 1)
    recorder.staged = 1
    for statement in SERVER.on_open:
        recorder.execute(statement)
    load(recorder)
    return recorder.statements


@pytest.mark.parametrize("load", [*LOADS, _leftovers])
def test_every_statement_is_t_sql(load: Callable[[Recorder], None]) -> None:
    said = _said(load)

    assert len(said) > 4
    for statement in said:
        for tree in sqlglot.parse(statement, read="tsql", error_level=sqlglot.ErrorLevel.RAISE):
            assert tree is not None
            assert not isinstance(tree, exp.Command), statement  # what sqlglot does not understand
            assert not tree.find(exp.Merge)


@pytest.mark.parametrize("load", LOADS)
def test_staging_tables_are_real_and_private_and_go(load: Callable[[Recorder], None]) -> None:
    made: list[str] = []
    dropped: list[str] = []
    for statement in _said(load):
        for tree in sqlglot.parse(statement, read="tsql"):
            tables = [found.name for found in tree.find_all(exp.Table)] if tree else []
            assert not any(name.startswith("#") for name in tables)
            if isinstance(tree, exp.Create) and "etl_staging_" in statement:
                made.append(tables[0])
            if isinstance(tree, exp.Drop):
                dropped.append(tables[0])

    assert made == dropped
    assert len(set(made)) == len(made)


def test_a_load_is_one_transaction_under_the_lock() -> None:
    opening, waiting, *_, ending = _said(_upsert)[3:]

    assert opening == "BEGIN TRANSACTION"
    assert "sp_getapplock @Resource = N'etl_loads', @LockMode = N'Exclusive'" in waiting
    assert "@LockTimeout = 30000" in waiting
    assert ending == "COMMIT TRANSACTION"


def test_no_value_is_written_into_a_statement() -> None:
    for load in (_upsert, _append, _stream):
        assert not [statement for statement in _said(load) if "'A" in statement or "; --" in statement]


def test_rows_are_sent_in_the_only_form_of_which_every_server_tells_the_parameters() -> None:
    (insert,) = [s for s in _said(_first_load) if s.startswith("INSERT INTO values_of_all_types")]

    assert insert.endswith(f" VALUES ({', '.join('?' * len(VALUES.table_columns))})")


def test_keys_have_a_binary_collation_and_texts_a_length() -> None:
    (table,) = [s for s in _said(_first_load) if "CREATE TABLE values_of_all_types" in s]

    assert "[key] NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL" in table
    for column in (
        "text NVARCHAR(max) NULL",
        "kind NVARCHAR(100) NULL",
        "byte TINYINT NULL",
        "flag BIT NULL",
        "instant DATETIMEOFFSET(6) NULL",
        "local DATETIME2(6) NULL",
        "clock TIME(6) NULL",
        "money DECIMAL(38, 4) NULL",
        "blob VARBINARY(max) NULL",
        "[double] FLOAT(53) NULL",
    ):
        assert column in table


def test_texts_that_differ_in_case_or_in_blanks_at_the_end_differ() -> None:
    (update,) = [s for s in _said(_new_column) if s.startswith("UPDATE quotes")]

    assert "(quotes.note COLLATE Latin1_General_BIN2) !=" in update
    assert "DATALENGTH(quotes.note) != DATALENGTH(" in update
    assert "DATALENGTH(quotes.code) = DATALENGTH(" in update


def test_a_column_is_added_without_the_word_that_t_sql_does_not_have() -> None:
    assert "ALTER TABLE quotes ADD note NVARCHAR(max) NULL" in _said(_new_column)


def test_every_table_of_the_catalogue_fits() -> None:
    for each in CATALOGUE:
        if each.table:
            contract.table_of(each.table, each.table_columns, SERVER)


def test_a_table_of_keys_alone_is_only_inserted_into() -> None:
    class Codes(dy.Schema):
        code = dy.String(primary_key=True, max_length=40)

    codes = Dataset("codes", "published", Codes, ("code",), table="codes")
    target = contract.table_of("codes", codes.table_columns, SERVER)
    staging = SERVER.staging("etl_staging_codes", [sa.Column("code", target.c["code"].type)])

    assert len(SERVER.upsert(target, staging)) == 1
