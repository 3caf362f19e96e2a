"""From a URL to the connection string of an ODBC driver, and to whoever signs in."""

import pytest
import sqlalchemy as sa

from tasks.database.odbc import keywords
from tasks.errors import ConfigurationError
from tasks.load.warehouse import open_warehouse
from tests.servers.postgres import Postgres

MICROSOFT = "/opt/microsoft/libmsodbcsql-18.so"


def _words(url: str) -> dict[str, str]:
    address = sa.make_url(url)
    return dict(keywords.sql_server(address, keywords.options(address, MICROSOFT, "fast")))


def test_a_connection_to_sql_server_is_encrypted_and_its_certificate_checked() -> None:
    words = _words("mssql://etl:secret@server.example:1444/prices")

    assert words == {
        "Driver": MICROSOFT,
        "Server": "server.example,1444",
        "Database": "prices",
        "Encrypt": "yes",
        "TrustServerCertificate": "no",
        "UID": "etl",
        "PWD": "secret",
    }


def test_parameters_of_the_url_become_keywords() -> None:
    words = _words("mssql://server/prices?encrypt=strict&trust_server_certificate=true&ApplicationIntent=ReadOnly")

    assert words["Encrypt"] == "strict"
    assert words["TrustServerCertificate"] == "yes"
    assert words["ApplicationIntent"] == "ReadOnly"
    assert words["Server"] == "server"
    assert "UID" not in words


def test_freetds_has_keywords_of_its_own() -> None:
    words = _words("mssql://etl:secret@server/prices?driver=/usr/lib/libtdsodbc.so")

    assert words["Encryption"] == "require"
    assert (words["Server"], words["Port"], words["TDS_Version"]) == ("server", "1433", "7.4")
    assert "Encrypt" not in words


def test_a_data_source_name_stands_for_a_driver() -> None:
    assert "Driver" not in _words("mssql://etl:secret@/prices?dsn=warehouse")


def test_what_a_password_may_hold_is_kept_in_braces() -> None:
    words = {"Server": "x", "PWD": "a;b}c {=", "Database": ""}

    assert keywords.text(words) == "Server=x;PWD={a;b}}c {=}"


@pytest.mark.parametrize("query", ["?x;PWD=1", "?encrypt=yes&encrypt=no", "?1=2"])
def test_parameters_that_are_no_keywords_are_refused(query: str) -> None:
    with pytest.raises(ConfigurationError, match="no keywords of an ODBC driver"):
        open_warehouse(f"mssql://etl:secret@server/prices{query}")


def test_a_driver_that_is_not_installed_is_named_beside_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'No Such' is not installed; installed are: .*PostgreSQL.*\?driver="):
        open_warehouse("mssql://etl:secret@server/prices?driver=No Such")


def test_a_way_to_send_rows_that_there_is_not_is_refused(postgres: Postgres) -> None:
    url = postgres.url("postgres").replace("postgresql:", "odbc+postgresql:")
    with pytest.raises(ConfigurationError, match=r"bulk=quick .*fast, plain, arrays"):
        open_warehouse(f"{url}?bulk=quick")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("mssql://server/prices", True),
        ("mssql://etl:secret@server/prices", False),
        ("mssql://server/prices?Authentication=ActiveDirectoryMsi", False),
        ("mssql://server/prices?trusted_connection=yes", False),
    ],
)
def test_a_token_is_asked_for_when_nothing_else_signs_in(url: str, *, wanted: bool) -> None:
    address = sa.make_url(url)

    assert keywords.wants_token(address, keywords.options(address, MICROSOFT, "fast")) is wanted
