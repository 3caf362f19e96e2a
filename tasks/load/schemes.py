"""ETL_WAREHOUSE_URL, and which driver and dialect it stands for."""

from collections.abc import Callable

import sqlalchemy as sa

from tasks.errors import ConfigurationError
from tasks.load import adbc_any, adbc_drivers, odbc_drivers
from tasks.load.connection import Connection

_SCHEMES: dict[str, Callable[[sa.URL, float], Connection]] = {
    "sqlite": adbc_drivers.open_sqlite,
    "postgresql": adbc_drivers.open_postgresql,
    "mssql": odbc_drivers.open_sqlserver,
    "odbc+postgresql": odbc_drivers.open_postgresql,
    "odbc+sqlite": odbc_drivers.open_sqlite,
    "adbc+postgresql": adbc_drivers.open_postgresql,
    "adbc+sqlite": adbc_drivers.open_sqlite,
}
_EXAMPLES = (
    "sqlite:///relative/file.sqlite, sqlite:////absolute/file.sqlite, postgresql://user:password@host/database, "
    "mssql://user:password@host/database, adbc+DRIVER://..."
)


def open_connection(url: str, lock_timeout: float) -> Connection:
    """Raises ConfigurationError for a URL that makes no sense, and whatever the store says when it is opened."""
    address, timeout = _timeout(_parsed(url), lock_timeout)
    return _opener(address.drivername)(address, timeout)


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
    if scheme in _SCHEMES:
        return _SCHEMES[scheme]
    if scheme.startswith("adbc+"):
        return adbc_any.open_any
    raise ConfigurationError(
        f"ETL_WAREHOUSE_URL begins with {scheme}://, which is not supported. Give one like these: {_EXAMPLES}."
    )


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
