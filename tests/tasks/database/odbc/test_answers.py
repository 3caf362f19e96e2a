"""What the two ODBC drivers at hand tell of each type: right, or refused by the column's name with what helps."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from tasks.database import Stream, open_stream
from tasks.errors import ConfigurationError, ContractError
from tests.servers.postgres import Postgres
from tests.tasks.database.adbc.test_answers import RIGHT, one, types_of

WRONG = {"money", "oid", "xid"}  # rounded, and below zero from 2^31 on
AS_TEXT = {  # the text that the server gives
    "_int4": '{1,NULL,"2"}',
    "box": "(1,1),(0,0)",
    "bit": "1",
    "cidr": "10.0.0.0/8",
    "int4range": "[1,2)",
    "interval": "1 year 2 mons 00:00:01.5",
    "jsonpath": '$."a"',
    "pg_lsn": "0/1",
    "regclass": "pg_class",
    "timetz": "24:00:00+02",
    "tsvector": "'a' 'b'",
    "varbit": "101",
    "xid8": "18446744073709551615",
    "xml": "<a/>",
}


@pytest.fixture(scope="module")
def postgresql(postgres: Postgres) -> Iterator[str]:
    database = postgres.database()
    yield postgres.url(database)
    postgres.drop(database)


@pytest.fixture
def stream(postgresql: str) -> Iterator[Stream]:
    with open_stream(SecretStr(postgresql.replace("postgresql:", "odbc+postgresql:"))) as opened:
        yield opened


def test_every_type_of_postgresql_comes_as_the_server_tells_it(stream: Stream, postgresql: str) -> None:
    told = set()
    for name in types_of(postgresql):
        try:
            assert one(stream, f'SELECT CAST(NULL AS "{name}") AS amount') is None
        except ConfigurationError as refused:
            assert f"amount ({name})" in str(refused)  # noqa: PT017 - one of hundreds
            told.add(name)
    assert told == WRONG
    came = row(stream, {name: f'CAST($v${value}$v$ AS "{name}")' for name, (value, _) in RIGHT.items()})
    came["timestamptz"] = f"{came['timestamptz']}+00:00"  # the session is in UTC
    assert came == {name: value for name, (_, value) in RIGHT.items()}
    texts = {name: f'CAST($v${value}$v$ AS "{name}")' for name, value in AS_TEXT.items()}
    assert row(stream, texts) == row(stream, {name: f"CAST({value} AS text)" for name, value in texts.items()})


def row(stream: Stream, columns: Mapping[str, str]) -> dict[str, Any]:
    sql = ", ".join(f'{value} AS "{name}"' for name, value in columns.items())
    (found,) = [row for frame in stream(f"SELECT {sql}", {}) for row in frame.iter_rows(named=True)]
    return found


def test_a_uuid_is_the_same_one(stream: Stream) -> None:
    known = UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
    assert UUID(one(stream, f"SELECT '{known}'::uuid AS amount")) == known


@pytest.mark.parametrize(
    "value",
    [
        "'24:00'::time",
        "'infinity'::date",
        "'-infinity'::date",
        "'0044-03-15 BC'::date",
        "'12000-01-01'::date",
        "'-infinity'::timestamp",
        "'20000-01-01'::timestamp",
        "'infinity'::timestamptz",
    ],
)
def test_times_that_the_driver_makes_others_of_are_refused(stream: Stream, value: str) -> None:
    with pytest.raises(ContractError, match=r"The column amount of the answer .*NULLIF\(amount"):
        one(stream, f"SELECT {value} AS amount")


def test_the_first_and_the_last_moment_come(stream: Stream) -> None:
    for moment in ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"):
        assert str(one(stream, f"SELECT '{moment}'::timestamp AS amount")) == moment


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Stream]:
    with open_stream(SecretStr(f"odbc+sqlite:///{tmp_path}/any.sqlite")) as opened:
        yield opened


@pytest.mark.parametrize("text", ["FF", "61FF62", "C3", "EDA080"])
def test_text_of_sqlite_that_is_not_utf_8_is_refused(sqlite: Stream, text: str) -> None:
    with pytest.raises(ContractError, match=r"The column a of the answer .*CAST\(a AS BLOB\)"):
        one(sqlite, f"SELECT CAST(x'{text}' AS TEXT) AS a")


@pytest.mark.parametrize(
    ("value", "comes"),
    [("'漢字🏦'", "漢字🏦"), ("''", ""), ("x'00ff'", b"\x00\xff"), ("0.1", 0.1), ("9223372036854775807", 2**63 - 1)],
)
def test_what_sqlite_has_comes_whole(sqlite: Stream, value: str, comes: object) -> None:
    assert one(sqlite, f"SELECT {value} AS a") == comes


@pytest.mark.parametrize("value", ["0.1 + 0.2", "1.7976931348623157e308", "'a' || char(0) || 'b'"])
def test_what_the_driver_of_sqlite_cuts_off_is_refused(sqlite: Stream, value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"The column a of the answer .*printf\('%\.17g', a\).*sqlite:///"):
        one(sqlite, f"SELECT {value} AS a")
