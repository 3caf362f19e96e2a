"""Which ADBC driver a URL stands for, and how it is opened."""

import os
import socket
from urllib.parse import quote, urlencode

import adbc_driver_postgresql.dbapi  # type: ignore[import-untyped]
import adbc_driver_sqlite.dbapi
import sqlalchemy as sa

from tasks.load.adbc import AdbcConnection, DriverOptions, explained
from tasks.load.dialects.postgresql import Postgresql
from tasks.load.dialects.sqlite import Sqlite

# The driver takes a column's type from the first batch: if there are only NULLs in it, a later number fails.
SQLITE = DriverOptions(
    {adbc_driver_sqlite.StatementOptions.BATCH_ROWS.value: 1_000_000},
    batch_rows=adbc_driver_sqlite.StatementOptions.BATCH_ROWS.value,
)
# COPY, which the driver would put around a query, takes no SHOW, EXPLAIN or FETCH.
POSTGRESQL = DriverOptions({adbc_driver_postgresql.StatementOptions.USE_COPY.value: "false"})

# A server that has gone without a word is noticed in about a minute, and not only after hours.
PATIENCE = {
    "connect_timeout": "30",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}


def open_sqlite(url: sa.URL, lock_timeout: float) -> AdbcConnection:
    dialect = Sqlite.at(url, lock_timeout)
    # With the driver's autocommit off it would begin a transaction of its own that takes no lock.
    with explained(dialect):
        driver = adbc_driver_sqlite.dbapi.connect(str(dialect.path), autocommit=True)
    return AdbcConnection(driver, dialect, SQLITE)


def open_postgresql(url: sa.URL, lock_timeout: float) -> AdbcConnection:
    dialect = Postgresql(_place(url), lock_timeout)
    with explained(dialect):
        driver = adbc_driver_postgresql.dbapi.connect(_libpq(url), autocommit=True)
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


def process_name() -> str:
    """Which process this is, for whoever looks who holds a lock."""
    return f"process {os.getpid()} (etl) on {socket.gethostname()}"[:63]
