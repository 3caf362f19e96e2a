"""Any installed ADBC driver, by its name: the package, the manifest or the profile, checked before it connects."""

from pathlib import Path

import adbc_driver_postgresql  # type: ignore[import-untyped]
import pytest
from polars.testing import assert_frame_equal

from tasks.database.adbc import any_driver, profile
from tasks.errors import ConfigurationError
from tasks.load.warehouse import open_warehouse
from tests.servers.postgres import Postgres
from tests.tasks.warehouses.examples import QUOTES, part, quotes, table

ROWS = quotes(("A", 1, 1.0, 1), ("B", 1, 2.0, None))


def _works(url: str) -> bool:
    with open_warehouse(url) as warehouse:
        warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")
        assert_frame_equal(table(warehouse), ROWS)
        return True


@pytest.fixture
def drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of driver manifests, in which `elephant` is PostgreSQL's."""
    library = adbc_driver_postgresql._driver_path()
    manifest = f'manifest_version = 1\nname = "Elephant"\nversion = "1.0.0"\n[Driver]\nshared = "{library}"\n'
    (tmp_path / "elephant.toml").write_text(manifest)
    monkeypatch.setenv("ADBC_DRIVER_PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADBC_PROFILE_PATH", str(tmp_path))
    return tmp_path


def test_a_driver_by_its_package(postgres: Postgres, tmp_path: Path) -> None:
    assert _works(f"adbc+sqlite:///{tmp_path}/warehouse.sqlite")
    database = postgres.database()
    assert _works(f"adbc+{postgres.url(database)}")
    postgres.drop(database)


def test_a_driver_by_its_manifest_speaks_the_sql_of_its_vendor(postgres: Postgres, drivers: Path) -> None:
    database = postgres.database()
    assert _works(f"adbc+elephant://?uri={postgres.url(database)}")
    postgres.drop(database)


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"driver nowhere did not connect.*dbc install nowhere"):
        open_warehouse("adbc+nowhere://?uri=x")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("adbc+elephant://", "says nothing but the ADBC driver elephant"),
        ("adbc+elephant://?mode=", "says nothing but the ADBC driver elephant"),
        ("adbc+elephant://?uri=a&uri=b", "without a value, or twice: uri"),
    ],
)
def test_options_are_checked_before_connecting(drivers: Path, url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        open_warehouse(url)


def test_a_store_whose_sql_is_not_known_is_told_beside_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"duck speaks to duckdb.*PostgreSQL, SQLite; SQL Server .* mssql://"):
        any_driver._vendor("duck", "duckdb")


def _profile(folder: Path, uri: str) -> None:
    (folder / "warehouse.toml").write_text(
        f'profile_version = 1\ndriver = "{adbc_driver_postgresql._driver_path()}"\n[Options]\nuri = "{uri}"\n'
    )


def test_a_profile_takes_its_secrets_from_the_environment(
    postgres: Postgres, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.database()
    _profile(profiles, postgres.url(database).replace(postgres.password, "{{ env_var(WAREHOUSE_PASSWORD) }}"))
    monkeypatch.setenv("WAREHOUSE_PASSWORD", postgres.password)

    assert _works("adbc+profile://warehouse")
    postgres.drop(database)


@pytest.mark.parametrize("value", [None, ""])
def test_a_profile_with_a_variable_that_is_not_set_is_not_connected_to(profiles: Path, value: str | None) -> None:
    _profile(profiles, "postgresql://etl:{{ env_var(WAREHOUSE_PASSWORD) }}@{{env_var(HOST)}}/prices")
    environment = {"ADBC_PROFILE_PATH": str(profiles), "HOST": "x"} | (
        {} if value is None else {"WAREHOUSE_PASSWORD": ""}
    )

    with pytest.raises(ConfigurationError, match=r"warehouse\.toml .* not set: WAREHOUSE_PASSWORD\. Set them"):
        profile.checked("warehouse", environment)


def test_a_profile_that_is_not_there_or_makes_no_sense_is_refused(profiles: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"no ADBC profile nowhere; looked for .*{profiles}/nowhere\.toml"):
        open_warehouse("adbc+profile://nowhere")
    (profiles / "odd.toml").write_text("[Options")
    with pytest.raises(ConfigurationError, match=r"odd\.toml cannot be read"):
        open_warehouse("adbc+profile://odd")
    (profiles / "empty.toml").write_text("profile_version = 1\n")
    with pytest.raises(ConfigurationError, match="has no driver, or no table"):
        open_warehouse("adbc+profile://empty")
