"""Any ADBC driver that is installed, by its name: as a package `adbc_driver_NAME`, or by a driver manifest.

    adbc+NAME://?option=value&...                options of the driver, by their own names
    adbc+NAME://user:password@host/database?...  the driver's option `uri`, NAME://user:password@host/database?...
    adbc+profile://PROFILE                       a connection profile of the driver manager

arrow.apache.org/adbc/current/format/driver_manifests.html
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from adbc_driver_manager import dbapi

from tasks.database.adbc import profile
from tasks.database.adbc.connection import AdbcConnection, DriverOptions, failure
from tasks.database.adbc.drivers import POSTGRESQL, SQLITE
from tasks.database.dialects.dialect import Dialect
from tasks.database.dialects.postgresql.dialect import Postgresql
from tasks.database.dialects.sqlite.dialect import Sqlite
from tasks.errors import ConfigurationError
from tasks.libraries import Library, require

_Vendor = tuple[Callable[[str, Mapping[str, str], float], Dialect], DriverOptions]

# By what the driver says it speaks to.
_VENDORS: Mapping[str, _Vendor] = {
    "PostgreSQL": (lambda name, _, timeout: Postgresql(f"the database of the ADBC driver {name}", timeout), POSTGRESQL),
    "SQLite": (lambda _, options, timeout: Sqlite.at(_file(options), timeout), SQLITE),
}


def open_any(url: sa.URL, lock_timeout: float) -> AdbcConnection:
    """Raises ConfigurationError for a driver that is not installed, or of a store whose SQL is not known here."""
    name = url.drivername.removeprefix("adbc+")
    arguments = _arguments(name, url)
    driver = _connected(name, arguments)
    try:
        dialect, options = _vendor(name, str(driver.adbc_get_info().get("vendor_name")))
        return AdbcConnection(driver, dialect(name, arguments["db_kwargs"], lock_timeout), options)
    except BaseException:
        driver.close()
        raise


def _vendor(name: str, vendor: str) -> _Vendor:
    if vendor in _VENDORS:
        return _VENDORS[vendor]
    raise ConfigurationError(
        f"The ADBC driver {name} speaks to {vendor}, whose SQL is not known here. Known are {', '.join(_VENDORS)}; "
        "SQL Server is reached by mssql://, through ODBC."
    )


def _arguments(name: str, url: sa.URL) -> dict[str, Any]:
    if name == "profile":
        given = f"{url.host or ''}{f'/{url.database}' if url.database else ''}"
        return {"profile": str(profile.checked(given)), "db_kwargs": {}}
    return {"driver": _driver(name), "db_kwargs": _options(name, url)}


def _options(name: str, url: sa.URL) -> dict[str, str]:
    texts = {option: value for option, value in url.query.items() if isinstance(value, str) and value}
    if bad := sorted(url.query.keys() - texts.keys()):
        raise ConfigurationError(
            f"ETL_WAREHOUSE_URL has options for the ADBC driver {name} without a value, or twice: {', '.join(bad)}. "
            "Give each once."
        )
    if url.host or url.database or url.username:
        return {"uri": url.set(drivername=name).render_as_string(hide_password=False)}
    if not texts:
        raise ConfigurationError(
            f"ETL_WAREHOUSE_URL says nothing but the ADBC driver {name}. Give its options, as in "
            f"adbc+{name}://?uri=... or adbc+{name}://user:password@host/database."
        )
    return texts


def _driver(name: str) -> str:
    """The library of a package; else the name, by which the driver manager finds a manifest."""
    package = f"adbc_driver_{name}"
    if find_spec(package) is None:
        return name
    require(Library(f"adbc-driver-{name}", (package,)), f"The database adbc+{name}://")
    module = import_module(package)
    locate = getattr(module, "_driver_path", None) or getattr(module, "driver_path", None)
    return str(locate()) if locate else name


def _connected(name: str, arguments: dict[str, Any]) -> dbapi.Connection:
    try:
        return dbapi.connect(**arguments, autocommit=True)
    except (dbapi.Error, OSError) as error:
        raise ConfigurationError(
            f"The ADBC driver {name} did not connect: {failure(error).text}. Install it (pip install "
            f"adbc-driver-{name}, or dbc install {name}), or correct its options in ETL_WAREHOUSE_URL."
        ) from error


def _file(options: Mapping[str, str]) -> sa.URL:
    if "uri" not in options:
        raise ConfigurationError("SQLite needs a file. Give it as in sqlite:////absolute/file.sqlite.")
    return sa.URL.create("sqlite", database=str(Path(options["uri"])))
