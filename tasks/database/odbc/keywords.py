"""From a URL to the keywords of a connection string, which each ODBC driver has of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyodbc
import sqlalchemy as sa

from tasks.errors import ConfigurationError

Keywords = Mapping[str, str]

SQL_SERVER = "ODBC Driver 18 for SQL Server"

# By the names under which their packages register them.
_INSTALL = {
    SQL_SERVER: "Install Microsoft's msodbcsql18 as https://learn.microsoft.com/sql/connect/odbc tells for Debian and "
    "macOS, on Windows winget install Microsoft.msodbcsql.18",
    "PostgreSQL Unicode": "Install it (apt-get install odbc-postgresql on Debian, brew install psqlodbc on macOS, "
    "psqlODBC's own installer on Windows)",
    "SQLite3": "Install it (apt-get install libsqliteodbc on Debian, brew install sqliteodbc on macOS)",
}

# What identifies the user by other means than a password or a token of ours.
_OTHER_IDENTITY = frozenset({"authentication", "trusted_connection", "dsn"})
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9 _-]*")
_SPECIAL = re.compile(r"[\[\]{}(),;?*=!@\s]")
_YES_NO = {"true": "yes", "1": "yes", "false": "no", "0": "no"}


@dataclass(frozen=True)
class Options:
    """The parameters of a URL: those that are ours by name, and what is left for the driver."""

    driver: str
    bulk: str
    rest: Mapping[str, str]

    @property
    def is_freetds(self) -> bool:
        """By any of its names, or the path of its library. Its arrays of parameters are not to be trusted."""
        return "tds" in self.driver.lower()

    def taken(self, name: str, default: str) -> tuple[str, "Options"]:
        """A parameter in any spelling of its case, and the options without it."""
        found = [key for key in self.rest if key.lower() == name]
        value = self.rest[found[0]] if found else default
        return value, Options(self.driver, self.bulk, {k: v for k, v in self.rest.items() if k not in found})


def options(url: sa.URL, driver: str, bulk: str) -> Options:
    """`driver` and `bulk` are for a URL that names none. Raises ConfigurationError for what cannot be a keyword."""
    bad = [name for name, value in url.query.items() if not _KEYWORD.fullmatch(name) or not isinstance(value, str)]
    if bad:
        raise ConfigurationError(
            f"ETL_WAREHOUSE_URL has parameters that are no keywords of an ODBC driver, or are there twice: {bad}. "
            "Give each once, such as ?driver=ODBC Driver 18 for SQL Server&encrypt=yes."
        )
    given = Options("", "", {name: str(value) for name, value in url.query.items()})
    chosen, given = given.taken("driver", driver)
    how, given = given.taken("bulk", bulk)
    return Options(chosen, how, given.rest)


def sql_server(url: sa.URL, given: Options) -> Keywords:
    """Encrypted, and the server's certificate checked, unless the URL says otherwise."""
    encrypt, given = given.taken("encrypt", "yes")
    trust, given = given.taken("trust_server_certificate", "no")
    encrypt, trust = _YES_NO.get(encrypt.lower(), encrypt), _YES_NO.get(trust.lower(), trust)
    if given.is_freetds:
        security = {"Encryption": "off" if encrypt == "no" else "require", "TDS_Version": "7.4"}
        server = {"Server": url.host or "", "Port": str(url.port or 1433), "ClientCharset": "UTF-8"}
    else:
        security = {"Encrypt": encrypt, "TrustServerCertificate": trust}
        server = {"Server": f"{url.host or ''}{f',{url.port}' if url.port else ''}"}
    return _all(given, {**server, "Database": url.database or "", **security}, url)


def postgresql(url: sa.URL, given: Options, libpq: Mapping[str, str]) -> Keywords:
    """`libpq` are options of PostgreSQL's own client library, on which its driver stands."""
    texts = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in libpq.items()}
    server = {
        "Server": url.host or "",
        "Port": str(url.port or 5432),
        "Database": url.database or "",
        "BoolsAsChar": "0",
        "NumericAs": str(pyodbc.SQL_VARCHAR),  # of a NUMERIC without a scale, which would be cut to 6 places
        "pqopt": " ".join(f"{name}='{value}'" for name, value in texts.items()),
    }
    return _all(given, server, url)


def sqlite(path: str, given: Options, lock_timeout: float) -> Keywords:
    # Without BigInt the driver takes an INTEGER for one of 32 bits.
    own = {"Database": path, "BigInt": "1", "Timeout": str(round(lock_timeout * 1000))}
    return _all(given, own, sa.URL.create("sqlite"))


def wants_token(url: sa.URL, given: Options) -> bool:
    """Whether the machine's identity has to sign in, since nothing else does."""
    return not url.username and not _OTHER_IDENTITY & {name.lower() for name in given.rest}


def text(keywords: Keywords) -> str:
    """The connection string. It holds the password."""
    return ";".join(f"{name}={_braced(value)}" for name, value in keywords.items() if value)


def _all(given: Options, own: Keywords, url: sa.URL) -> Keywords:
    user = {"UID": url.username or "", "PWD": url.password or ""} if url.username else {}
    named = {name.lower() for name in given.rest}
    driver = {} if "dsn" in named else {"Driver": _installed(given.driver)}
    return {**driver, **{n: v for n, v in {**own, **user}.items() if n.lower() not in named}, **given.rest}


def _installed(driver: str) -> str:
    """A path is left to the driver manager."""
    if "/" in driver or driver in pyodbc.drivers():
        return driver
    installed = ", ".join(pyodbc.drivers()) or "none"
    raise ConfigurationError(
        f"The ODBC driver {driver!r} is not installed; installed are: {installed}. "
        f"{_INSTALL.get(driver, 'Install it')}, or choose another with ?driver=... in ETL_WAREHOUSE_URL."
    )


def _braced(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}" if _SPECIAL.search(value) else value
