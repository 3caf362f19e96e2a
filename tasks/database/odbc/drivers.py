"""How a URL is opened through ODBC."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pyodbc
import sqlalchemy as sa

from tasks.database.dialects.dialect import Dialect
from tasks.database.dialects.postgresql.dialect import MARKED, Postgresql
from tasks.database.dialects.postgresql.libpq import PATIENCE, process_name
from tasks.database.dialects.sqlite.dialect import Sqlite
from tasks.database.dialects.sqlserver.dialect import COLLATION, SqlServer
from tasks.database.odbc import keywords
from tasks.database.odbc.bulk import BULK
from tasks.database.odbc.connection import OdbcConnection, explained
from tasks.errors import ConfigurationError
from tasks.libraries import AZURE_IDENTITY, require

_LOGIN_TIMEOUT = 30  # seconds
_DATETIMEOFFSET = -155  # the type's number, which ODBC does not have
_STRUCT = "<6hI2h"
# What SQLite has as text, in which its driver hides what is not UTF-8.
_TEXT = (
    *(pyodbc.SQL_CHAR, pyodbc.SQL_VARCHAR, pyodbc.SQL_LONGVARCHAR),
    *(pyodbc.SQL_WCHAR, pyodbc.SQL_WVARCHAR, pyodbc.SQL_WLONGVARCHAR),
    *(pyodbc.SQL_TYPE_DATE, pyodbc.SQL_TYPE_TIME, pyodbc.SQL_TYPE_TIMESTAMP),
)

Converters = Mapping[int, Callable[[bytes], Any]]

# A connection that is kept for the next one may keep what was set on it.
pyodbc.pooling = False


def open_sqlserver(url: sa.URL, lock_timeout: float) -> OdbcConnection:
    given = keywords.options(url, keywords.SQL_SERVER, "")
    given = given if given.bulk else replace(given, bulk="plain" if given.is_freetds else "fast")
    collation, given = given.taken("collation", COLLATION)
    client, given = given.taken("client_id", "")
    place = f"SQL Server database {url.database or 'of the user'} at {url.host or 'the data source'}"
    dialect = SqlServer(place, lock_timeout, collation)
    words = keywords.sql_server(url, given)
    attributes = _token(url.host or "", client) if keywords.wants_token(url, given) else {}
    return _opened(dialect, given, words, attributes, {_DATETIMEOFFSET: _moment})


def open_postgresql(url: sa.URL, lock_timeout: float) -> OdbcConnection:
    given = keywords.options(url, "PostgreSQL Unicode", "arrays")
    dialect = Postgresql(f"PostgreSQL database {url.database} at {url.host}", lock_timeout, MARKED)
    words = keywords.postgresql(url, given, {"application_name": process_name(), **PATIENCE})
    return _opened(dialect, given, words)


def open_sqlite(url: sa.URL, lock_timeout: float) -> OdbcConnection:
    given = keywords.options(url, "SQLite3", "plain")  # the driver dies of arrays of parameters
    dialect = Sqlite.at(url.set(query={}), lock_timeout, through_odbc=True)
    words = keywords.sqlite(str(dialect.path), given, lock_timeout)
    # It takes the lower half of each UTF-16 unit of a query for its text.
    return _opened(dialect, given, words, converters=dict.fromkeys(_TEXT, bytes), encoding="utf-8")


def _opened(
    dialect: Dialect,
    given: keywords.Options,
    words: keywords.Keywords,
    attributes: Mapping[int, bytes] | None = None,
    converters: Converters | None = None,
    encoding: str = "",
) -> OdbcConnection:
    if given.bulk not in BULK:
        raise ConfigurationError(
            f"bulk={given.bulk} in ETL_WAREHOUSE_URL is not a way to send rows. Give one of {', '.join(BULK)}."
        )
    with explained(dialect):
        driver = pyodbc.connect(
            keywords.text(words), autocommit=True, timeout=_LOGIN_TIMEOUT, attrs_before=dict(attributes or {})
        )
    if encoding:
        driver.setencoding(encoding, pyodbc.SQL_CHAR)
    for kind, converter in (converters or {}).items():
        driver.add_output_converter(kind, converter)
    return OdbcConnection(driver, dialect, BULK[given.bulk])


def _token(host: str, client_id: str) -> Mapping[int, bytes]:
    # Imported here: the Azure SDK takes half a second, which nobody else need wait for.
    require(AZURE_IDENTITY, f"The database at {host}, without a user in its URL,")
    from tasks.database.odbc import entra  # noqa: PLC0415

    return entra.token(host, client_id)


def _moment(value: bytes) -> str:
    """A DATETIMEOFFSET as text: pyodbc says of any column with a converter that it is text.

    From Microsoft's SQL_SS_TIMESTAMPOFFSET_STRUCT; other drivers give text themselves."""
    moment = _unpacked(value) if len(value) == struct.calcsize(_STRUCT) else datetime.fromisoformat(value.decode())
    return moment.isoformat(" ", "microseconds")


def _unpacked(value: bytes) -> datetime:
    year, month, day, hour, minute, second, nanoseconds, hours, minutes = struct.unpack(_STRUCT, value)
    zone = timezone(timedelta(hours=hours, minutes=minutes))
    return datetime(year, month, day, hour, minute, second, nanoseconds // 1000, zone)
