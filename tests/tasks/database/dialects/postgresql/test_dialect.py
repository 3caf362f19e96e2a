"""What only a PostgreSQL warehouse can suffer, and how its tables look."""

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date

import polars as pl
import psycopg
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from psycopg import sql

from tasks.errors import AuthenticationError, ConfigurationError, ContractError, TransientError
from tasks.load import contract
from tasks.load.warehouse import Warehouse, open_warehouse
from tests.servers.postgres import Postgres
from tests.tasks.warehouses.examples import QUOTES, QuotesWithNote, dataset, part, query, quotes, table

ROWS = quotes(("A", 1, 1.0, 1), ("B", 1, 2.0, None))
SCHEMES = ("postgresql", "odbc+postgresql")


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    name = postgres.database()
    yield name
    postgres.drop(name)


@pytest.fixture(params=SCHEMES)
def warehouse_url(request: pytest.FixtureRequest, postgres: Postgres, database: str) -> str:
    return postgres.url(database).replace("postgresql:", f"{request.param}:", 1)


@pytest.fixture
def user(postgres: Postgres, database: str) -> Iterator[tuple[str, str]]:
    """One who may connect, with a password of all characters."""
    name, password = f"user_{secrets.token_hex(4)}", "p+a ss/w:o@r;d}%?&='\\"
    postgres.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))
    yield name, password
    postgres.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({"password": "hunter2"}, AuthenticationError, "password authentication failed"),
        ({"database": "nowhere"}, ConfigurationError, "does not exist"),
        ({"host": "nowhere.invalid"}, ConfigurationError, "Name or service not known"),
        ({"port": 1}, TransientError, "refused"),
    ],
)
def test_what_keeps_a_warehouse_from_being_opened_is_told_without_the_password(
    postgres: Postgres, scheme: str, change: dict[str, str], kind: type[Exception], reason: str
) -> None:
    url = sa.make_url(postgres.url("postgres")).set(drivername=scheme).set(**change)  # type: ignore[arg-type]

    with pytest.raises(kind, match=reason) as raised:
        open_warehouse(url.render_as_string(hide_password=False))

    assert str(url.password) not in str(raised.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_password_may_hold_any_character(
    postgres: Postgres, database: str, user: tuple[str, str], scheme: str
) -> None:
    url = sa.URL.create(scheme, *user, "127.0.0.1", postgres.port, database)

    with open_warehouse(url.render_as_string(hide_password=False)) as warehouse:
        assert query(warehouse, "SELECT CAST(current_user AS TEXT) AS name")["name"].to_list() == [user[0]]


def test_a_user_who_may_not_write_is_told_what_is_missing(
    postgres: Postgres, database: str, user: tuple[str, str]
) -> None:
    url = sa.URL.create("postgresql", *user, "127.0.0.1", postgres.port, database)

    with (
        open_warehouse(url.render_as_string(hide_password=False)) as warehouse,
        pytest.raises(ConfigurationError, match=r"permission denied for schema public.*Grant the user"),
    ):
        warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")


def test_a_table_has_proper_types_and_its_key(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")

    found = contract.described(warehouse._connection, "quotes")

    assert [f.type for f in found.values()] == ["VARCHAR(40)", "DATE", "DOUBLE PRECISION", "BIGINT"]
    assert [f.key for f in found.values()] == [1, 2, 0, 0]


@pytest.mark.parametrize(("kind", "taken"), [("TEXT", True), ("VARCHAR(60)", True), ("VARCHAR(39)", False)])
def test_a_text_column_may_be_longer_than_the_contract_says(
    warehouse: Warehouse, execute: Callable[[str], int], kind: str, *, taken: bool
) -> None:
    execute(
        f"CREATE TABLE quotes (code {kind} NOT NULL, day DATE NOT NULL, close FLOAT8 NOT NULL, volume INT8, "
        "PRIMARY KEY (code, day))"
    )

    if taken:
        warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")
        assert_frame_equal(table(warehouse), ROWS)
    else:
        with pytest.raises(ContractError, match=r"VARCHAR\(39\), the contract says VARCHAR\(40\)"):
            warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")


def test_text_that_is_too_long_or_has_a_zero_byte_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ContractError, match=r"value too long for type character varying\(40\)"):
        warehouse.load(QUOTES, [part("s1", quotes(("x" * 41, 1, 1.0, 1)))], run="r1")
    with pytest.raises(ContractError, match=r"partition p of quotes.*\{'code': 1\}.*zero byte"):
        warehouse.load(QUOTES, [part("s1", quotes(("x\0y", 1, 1.0, 1)))], run="r1")

    assert warehouse.loaded(QUOTES) == {}


def test_rows_that_a_trigger_swallows_are_noticed(warehouse: Warehouse, execute: Callable[[str], int]) -> None:
    warehouse.load(QUOTES, [part("s1", quotes())], run="r1")
    execute("CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    execute("CREATE TRIGGER thief BEFORE INSERT ON quotes FOR EACH ROW WHEN (NEW.code = 'B') EXECUTE FUNCTION steal()")

    with pytest.raises(ContractError, match=r"2 rows were written and 1 are in it|read 2, affected 1"):
        warehouse.load(QUOTES, [part("s2", ROWS)], run="r2")
    warehouse.load(QUOTES, [part("s2", ROWS.head(1))], run="r2")
    with pytest.raises(ContractError, match="to insert or update 2, affected 1"):
        warehouse.load(QUOTES, [part("s3", quotes(("A", 1, 1.5, 1), ("B", 1, 2.0, 2)))], run="r3")

    assert_frame_equal(table(warehouse), ROWS.head(1))


def test_nothing_is_left_of_staging(warehouse: Warehouse) -> None:
    for snapshot in ("s1", "s2"):
        warehouse.load(QUOTES, [part(snapshot, ROWS, [("A", 1)])], run="r1")

    names = query(
        warehouse, "SELECT CAST(relname AS TEXT) AS n FROM pg_class WHERE relkind = 'r' AND relname ~ '^etl|quo'"
    )
    assert names["n"].sort().to_list() == ["etl_loads", "quotes"]


def test_a_table_that_a_reader_holds_is_waited_for_until_the_deadline(
    warehouse: Warehouse, warehouse_url: str, postgres: Postgres, database: str
) -> None:
    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")
    more = dataset(QuotesWithNote)
    with psycopg.connect(postgres.url(database)) as reader, open_warehouse(warehouse_url, lock_timeout=0.2) as another:
        reader.execute("SELECT * FROM quotes")  # its transaction stays open, and no column can be added

        with pytest.raises(TransientError, match=r"within 0\.2 s.*lock_timeout"):
            another.load(more, [part("s2", ROWS.with_columns(note=None))], run="r2")

        reader.rollback()
        assert another.load(more, [part("s2", ROWS.with_columns(note=None))], run="r2").unchanged == 2


def test_readers_are_never_stopped_by_a_load(warehouse: Warehouse, postgres: Postgres, database: str) -> None:
    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")
    seen = []
    with psycopg.connect(postgres.url(database), autocommit=True) as reader:

        def parts() -> Iterator[object]:
            for number in (2, 3):
                yield part(f"s{number}", quotes(("A", number, 1.0, 1)))
                seen.append(reader.execute("SELECT count(*) FROM quotes").fetchone())

        warehouse.load(QUOTES, parts(), run="r2")  # type: ignore[arg-type]

    assert seen == [(2,), (2,)]


def _interrupt_during_copy(url: str) -> None:
    """Once the server executes it: before that the driver has nothing to cancel, and the interrupt would be lost."""
    busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY %'"
    deadline = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            if connection.execute(busy).fetchone() != (0,):
                os.kill(os.getpid(), signal.SIGINT)
                return


def _many() -> pl.DataFrame:
    """So many rows that the driver is busy with them for a while."""
    code = pl.int_range(1_000_000, eager=True).cast(pl.String)
    same = {"day": pl.lit(date(2024, 1, 1)), "close": pl.lit(1.0), "volume": pl.lit(1, pl.Int64)}
    return pl.DataFrame({"code": code}).with_columns(**same)


def test_an_interrupt_during_a_load_is_one_and_leaves_everything_as_it_was(postgres: Postgres, database: str) -> None:
    with open_warehouse(postgres.url(database)) as warehouse:
        warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")
        interrupt = threading.Thread(target=_interrupt_during_copy, args=(postgres.url(database),))
        interrupt.start()

        with pytest.raises(KeyboardInterrupt):
            warehouse.load(QUOTES, [part("s2", _many())], run="r2")
        interrupt.join()

    with open_warehouse(postgres.url(database)) as warehouse:
        assert_frame_equal(table(warehouse), ROWS)
        assert warehouse.load(QUOTES, [part("s2", ROWS)], run="r3").unchanged == 2
