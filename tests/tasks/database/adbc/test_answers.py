"""Every type of PostgreSQL, every storage class of SQLite: right, or refused by the column's name with what helps."""

import os
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from tasks.database import Stream, open_stream
from tasks.errors import ConfigurationError, ContractError
from tests.servers.postgres import Postgres, postgres

__all__ = ["postgres"]

_REWRITE = bool(os.environ.get("REWRITE_DOCUMENTS"))
README = Path(__file__).parents[4] / "flows" / "README.md"
RIGHT: dict[str, tuple[str, object]] = {
    "bool": ("t", True),
    "bpchar": ("ab", "ab"),
    "bytea": (r"\x00ff", b"\x00\xff"),
    "char": ("x", "x"),
    "date": ("2024-02-29", date(2024, 2, 29)),
    "float4": ("1.5", 1.5),
    "float8": ("0.1", 0.1),
    "int2": ("-3", -3),
    "int4": ("-3", -3),
    "int8": ("9223372036854775807", 9223372036854775807),
    "json": ('{"a":1}', '{"a":1}'),
    "jsonb": ('{"a": 1}', '{"a": 1}'),
    "name": ("n", "n"),
    "numeric": ("12345678901234567890.10", "12345678901234567890.10"),
    "refcursor": ("c", "c"),
    "text": ("漢字", "漢字"),
    "time": ("23:59:59.5", time(23, 59, 59, 500_000)),
    "timestamp": ("2024-02-29 12:00", datetime(2024, 2, 29, 12)),  # noqa: DTZ001
    "timestamptz": ("2024-02-29 12:00+02", "2024-02-29 10:00:00+00:00"),
    "varchar": ("v", "v"),
}


@pytest.fixture(scope="module")
def postgresql(postgres: Postgres) -> Iterator[str]:
    database = postgres.database()
    url = postgres.url(database)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        server.execute("CREATE TYPE pair AS (a int, b text)")
        server.execute("CREATE DOMAIN positive AS int CHECK (value > 0)")
    yield url
    postgres.drop(database)


@pytest.fixture
def stream(postgresql: str) -> Iterator[Stream]:
    with open_stream(SecretStr(postgresql)) as opened:
        yield opened


def one(stream: Stream, sql: str) -> Any:
    (value,) = [value for frame in stream(sql, {}) for (value,) in frame.rows()]
    return value


def test_every_type_of_postgresql_is_right_or_refused(stream: Stream, postgresql: str) -> None:
    names = types_of(postgresql)
    came, told = set(), {}
    for name in names:
        literal = f"'{RIGHT[name][0]}'" if name in RIGHT else "NULL"
        try:
            value = one(stream, f'SELECT CAST({literal} AS "{name}") AS amount')
        except ConfigurationError as refused:
            told[name] = str(refused)
        else:
            came.add(name)
            assert (str(value) if name == "timestamptz" else value) == RIGHT[name][1]
    assert came == set(RIGHT)
    # The driver names no type whose functions have another name, such as those of ranges.
    assert all(re.search(rf"amount \(({name}|unnamed<.*>|list<.*>)\)|no binary output", told[name]) for name in told)
    _check_readme(came, [names[name] for name in told])


def types_of(postgresql: str) -> dict[str, str]:
    """The types of the server, in the order of their names, with what the documents call each."""
    named = """SELECT typname, CASE WHEN typcategory = 'A' THEN 'arrays' WHEN typtype IN ('r', 'm') THEN 'ranges'
            ELSE regexp_replace(format('`%s`', typname), '^`(reg|pg_).*', '`\\1...`') END
        FROM pg_type WHERE typtype IN ('b', 'r', 'm') AND typnamespace = 'pg_catalog'::regnamespace
        ORDER BY typname COLLATE "C\""""
    with psycopg.connect(postgresql) as server:
        return dict(server.execute(named).fetchall())


def _check_readme(came: set[str], refused: Sequence[str]) -> None:
    """With REWRITE_DOCUMENTS set, the table is made anew; without, it has to be what it would be made."""
    others = "enums, domains; `numeric` as text"
    values = "rows; `infinity`, `24:00`, the years before 1 and after 9999"
    comes = f"`{'`, `'.join(sorted(came))}`, {others}"
    made = f"| PostgreSQL | {comes} | {', '.join(sorted(set(refused)))}, {values} |"
    document = README.read_text(encoding="utf-8")
    if _REWRITE:
        README.write_text(
            re.sub(r"^\| PostgreSQL \|.*$", lambda _: made, document, flags=re.MULTILINE), encoding="utf-8"
        )
        return
    assert made in document.splitlines(), "REWRITE_DOCUMENTS=1 makes the table anew"


@pytest.mark.parametrize(
    ("value", "comes"),
    [
        ("'ok'::mood", "ok"),
        ("5::positive", 5),
        ("'12.34'::money::numeric", "12.34"),
        ("4294967295::oid::int8", 2**32 - 1),
    ],
)
def test_types_of_ones_own_and_those_that_a_cast_makes_right(stream: Stream, value: str, comes: object) -> None:
    assert one(stream, f"SELECT {value} AS amount") == comes


@pytest.mark.parametrize("value", ["ROW(1, 'x')::pair", "ARRAY[[1, 2], [3, 4]]", "'1 day'::interval", "12.34::money"])
def test_what_would_come_as_something_else_is_refused_with_a_cast(stream: Stream, value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"amount \(.*CAST\(amount AS"):
        one(stream, f"SELECT {value} AS amount")


@pytest.mark.parametrize(
    "value",
    ["'24:00'::time", "'infinity'::date", "'-infinity'::timestamp", "'infinity'::timestamptz", "'0044-03-15 BC'::date"],
)
def test_times_that_no_program_could_read_are_refused(stream: Stream, value: str) -> None:
    with pytest.raises(ContractError, match=r"The column amount of the answer .*NULLIF\(amount"):
        one(stream, f"SELECT {value} AS amount")


def test_the_last_moments_there_are(stream: Stream) -> None:
    assert one(stream, "SELECT '9999-12-31'::date") == date.max
    assert one(stream, "SELECT '0001-01-01'::timestamp") == datetime.min  # noqa: DTZ901
    assert one(stream, "SELECT '9999-12-31 23:59:59.999999'::timestamp") == datetime.max  # noqa: DTZ901


@pytest.mark.parametrize(
    ("sql", "params", "comes"),
    [
        ("SELECT '{\"a\":1}'::json ->> 'a'", {}, "1"),
        ("SELECT CAST(:day::date AS text)", {"day": "2024-01-31"}, "2024-01-31"),
        ("SELECT '{\"a\":1}'::jsonb ? 'a'", {}, True),
        ("SELECT ':x' || $a$:y;$a$ || E'\\':z' /* :c; */ -- ? ;\n ; -- the end", {}, ":x:y;':z"),
        ("SELECT :number", {"number": 2**40}, 2**40),
        ("SELECT cardinality((ARRAY[1, 2, 3])[1:2])", {}, 2),
    ],
)
def test_what_is_quoted_or_an_operator_is_no_parameter(
    stream: Stream, sql: str, params: dict[str, object], comes: object
) -> None:
    assert [value for frame in stream(sql, params) for (value,) in frame.rows()] == [comes]


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT 1; DELETE FROM x", "SELECT ';'; -- ;\n COMMIT"])
def test_a_second_statement_is_refused(stream: Stream, sql: str) -> None:
    with pytest.raises(ConfigurationError, match="more than one statement"):
        one(stream, sql)


@pytest.fixture(params=["sqlite", "odbc+sqlite"])
def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stream]:
    with open_stream(SecretStr(f"{request.param}:///{tmp_path}/any.sqlite"), rows_per_frame=1) as opened:
        yield opened


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ("(NULL), ('late text')", "String"),
        ("(NULL), (7)", "Int64"),
        ("(1), (2.5)", "Float64"),
        ("(NULL), (x'00ff')", "Binary"),
        ("(NULL)", "String"),
    ],
)
def test_a_column_of_sqlite_has_the_type_of_all_its_values(sqlite: Stream, values: str, dtype: str) -> None:
    frames = list(sqlite(f"WITH t(a) AS (VALUES {values}) SELECT a FROM t", {}))
    assert {str(frame.schema["a"]) for frame in frames} == {dtype}
    assert sum(frame.height for frame in frames) == values.count("(")


@pytest.mark.parametrize("values", ["(1234568.9), ('x')", "(x'00'), ('x')", "(9007199254740993), (1.5)", "('x'), (1)"])
def test_a_column_of_sqlite_with_values_of_several_types_is_refused(sqlite: Stream, values: str) -> None:
    with pytest.raises(ConfigurationError, match=r"The column a of the answer .* several types .*CAST\(a AS TEXT\)"):
        list(sqlite(f"WITH t(a) AS (VALUES {values}) SELECT a FROM t", {}))


def test_the_order_of_an_answer_of_sqlite_is_the_querys(sqlite: Stream) -> None:
    frames = sqlite("WITH t(a) AS (VALUES (2), (3), (NULL), (1)) SELECT a FROM t ORDER BY a DESC", {})
    assert [a for frame in frames for (a,) in frame.rows()] == [3, 2, 1, None]


def test_text_of_sqlite_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    with (
        open_stream(SecretStr(f"sqlite:///{tmp_path}/any.sqlite")) as stream,
        pytest.raises(ContractError, match=r"The column a of the answer .*CAST\(a AS BLOB\)"),
    ):
        list(stream("SELECT CAST(x'ff' AS TEXT) AS a", {}))
