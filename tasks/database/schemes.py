"""ETL_WAREHOUSE_URL, and which driver and dialect it stands for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tasks.database.connection import Connection, shown
from tasks.errors import ConfigurationError, EtlError
from tasks.libraries import ADBC, PYODBC, require

LOCK_TIMEOUT = 30.0  # seconds
_EXAMPLES = (
    "sqlite:///relative/file.sqlite, sqlite:////absolute/file.sqlite, postgresql://user:password@host/database, "
    "mssql://user:password@host/database, adbc+DRIVER://..."
)


def open_connection(url: str, lock_timeout: float = LOCK_TIMEOUT) -> Connection:
    """A connection to the database at the URL, which waits so many seconds for another writer.

    Raises ConfigurationError for a URL that makes no sense, and whatever the store says when it is opened.
    """
    address, timeout = _timeout(_parsed(url), lock_timeout)
    return _opener(address.drivername)(address, timeout)


@contextmanager
def url_of(place: str) -> Iterator[None]:
    """Errors name this place as the URL's: drivers and dialects know of the warehouse's setting alone."""
    try:
        yield
    except EtlError as error:
        error.args = (str(error).replace("ETL_WAREHOUSE_URL", place),)
        raise


def database_name(url: str) -> str:
    """Its host and name, by which other users and drivers know it too. Raises as `open_connection` does."""
    address = _parsed(url)
    return "/".join(filter(None, (address.host, address.database))) or address.drivername


def _parsed(url: str) -> sa.URL:
    try:
        # SQLAlchemy takes options that come without a host, and an @ in them, for a user.
        address = sa.make_url(url.replace("://?", ":///?", 1))
    except (sa.exc.ArgumentError, ValueError):
        # Not its cause too, which quotes what it took for a port: that may be of the password.
        raise ConfigurationError(
            f"ETL_WAREHOUSE_URL is not a URL of the form scheme://... Give one like these: {_EXAMPLES}. In a password "
            "@ is written %40, : %3A and / %2F."
        ) from None
    if address.host and "@" in f"{address.host}{address.database}":
        # Part of the password was taken for the host, which messages name.
        raise ConfigurationError(
            "ETL_WAREHOUSE_URL has more than one @. Write those of the password as %40, its : as %3A and its / as %2F."
        )
    return address


def _opener(scheme: str) -> Callable[[sa.URL, float], Connection]:
    if scheme in ("mssql", "odbc+postgresql", "odbc+sqlite"):
        return _odbc
    if scheme in ("sqlite", "postgresql") or scheme.startswith("adbc+"):
        return _adbc
    raise ConfigurationError(
        f"ETL_WAREHOUSE_URL begins with {scheme}://, which is not supported. Give one like these: {_EXAMPLES}."
    )


# Drivers are imported when a URL asks for them: that takes time, and libraries of the system that others may lack.


def _odbc(url: sa.URL, lock_timeout: float) -> Connection:
    require(PYODBC, shown(url))
    from tasks.database.odbc import drivers as odbc  # noqa: PLC0415

    openers = {"mssql": odbc.open_sqlserver, "odbc+postgresql": odbc.open_postgresql, "odbc+sqlite": odbc.open_sqlite}
    return openers[url.drivername](url, lock_timeout)


def _adbc(url: sa.URL, lock_timeout: float) -> Connection:
    require(ADBC, shown(url))
    from tasks.database.adbc import any_driver  # noqa: PLC0415
    from tasks.database.adbc import drivers as adbc  # noqa: PLC0415

    openers = {"sqlite": adbc.open_sqlite, "postgresql": adbc.open_postgresql}
    return openers.get(url.drivername.removeprefix("adbc+"), any_driver.open_any)(url, lock_timeout)


def _timeout(address: sa.URL, default: float) -> tuple[sa.URL, float]:
    text = address.query.get("lock_timeout", default)
    try:
        timeout = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        timeout = -1.0
    if not 0 <= timeout < 1e6:
        raise ConfigurationError(
            f"lock_timeout={text} in ETL_WAREHOUSE_URL is not a number of seconds. Give one like 30."
        )
    return address.difference_update_query(["lock_timeout"]), timeout
