"""The ADBC drivers that have a URL of their own, and how one is opened."""

from urllib.parse import quote, urlencode

import sqlalchemy as sa

from tasks.database.adbc.connection import AdbcConnection, DriverOptions, explained
from tasks.database.connection import shown
from tasks.database.dialects.postgresql.dialect import Postgresql
from tasks.database.dialects.postgresql.libpq import PATIENCE, process_name
from tasks.database.dialects.sqlite.dialect import Sqlite
from tasks.libraries import ADBC_POSTGRESQL, ADBC_SQLITE, require

_BATCH_ROWS = "adbc.sqlite.query.batch_rows"
_USE_COPY = "adbc.postgresql.use_copy"

# The driver takes a column's type from the first batch: if there are only NULLs in it, a later number fails.
SQLITE = DriverOptions({_BATCH_ROWS: 1_000_000}, batch_rows=_BATCH_ROWS)
# COPY, which the driver would put around a query, takes no SHOW, EXPLAIN or FETCH.
POSTGRESQL = DriverOptions({_USE_COPY: "false"})


def open_sqlite(url: sa.URL, lock_timeout: float) -> AdbcConnection:
    require(ADBC_SQLITE, shown(url))
    from adbc_driver_sqlite import dbapi  # noqa: PLC0415

    dialect = Sqlite.at(url, lock_timeout)
    # With the driver's autocommit off it would begin a transaction of its own that takes no lock.
    with explained(dialect):
        driver = dbapi.connect(str(dialect.path), autocommit=True)
    return AdbcConnection(driver, dialect, SQLITE)


def open_postgresql(url: sa.URL, lock_timeout: float) -> AdbcConnection:
    require(ADBC_POSTGRESQL, shown(url))
    from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]  # noqa: PLC0415

    dialect = Postgresql(_place(url), lock_timeout)
    with explained(dialect):
        driver = dbapi.connect(_libpq(url), autocommit=True)
    return AdbcConnection(driver, dialect, POSTGRESQL)


def _place(url: sa.URL) -> str:
    name = url.database or url.username or "of the user"
    return f"PostgreSQL database {name} at {url.host or 'the default host'}"


def _libpq(url: sa.URL) -> str:
    """The URL as libpq reads it: where it has a plus sign, it means one."""
    user = quote(url.username or "", safe="")
    password = f":{quote(url.password, safe='')}" if url.password else ""
    who = f"{user}{password}@" if user or password else ""
    where = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
    query = {"application_name": process_name(), **PATIENCE, **url.query}
    return f"postgresql://{who}{where}/{quote(url.database or '', safe='')}?{urlencode(query, quote_via=quote)}"
