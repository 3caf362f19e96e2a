"""Settings from the environment: what is in force, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import ConfigurationError
from tasks.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t"


def show(**environment: str) -> "subprocess.CompletedProcess[str]":
    """What `python -m tasks.settings` says in this environment."""
    command = [sys.executable, "-m", "tasks.settings"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_with_nothing_set_everything_runs_on_embedded_defaults() -> None:
    settings = load_settings()

    assert settings.key_vault_url is None
    assert settings.source_url is None  # the sample market
    assert settings.warehouse_url.get_secret_value().startswith("sqlite:///")
    assert settings.model_fields_set == set()


def test_a_variable_sets_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_CODES", "AAPL.US, MSFT.US,")
    monkeypatch.setenv("ETL_SOURCE_ATTEMPTS", "3")
    monkeypatch.setenv("etl_exchange", "LSE")  # in any case, as everywhere in pydantic's settings

    settings = load_settings()

    assert (settings.codes, settings.source_attempts, settings.exchange) == (("AAPL.US", "MSFT.US"), 3, "LSE")


def test_a_change_of_the_environment_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("etl_exchange", "LSE")
    assert load_settings().exchange == "LSE"
    monkeypatch.setenv("etl_exchange", "PA")
    assert load_settings().exchange == "PA"


def test_an_empty_variable_is_no_value_where_that_makes_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY_VAULT_URL", "DASHBOARD_PATH", "SOURCE_URL", "SOURCE_REQUESTS_PER_MINUTE", "CODES"):
        monkeypatch.setenv(f"ETL_{name}", "")

    settings = load_settings()

    assert (settings.key_vault_url, settings.dashboard_path, settings.source_url) == (None, None, None)
    assert settings.requests_per_minute == 0
    assert settings.codes == ()


@pytest.mark.parametrize(
    ("url", "limit", "in_force"),
    [("", "", 0), ("https://eodhd.com/api", "", 1000), ("https://eodhd.com/api", "0", 0), ("", "300", 300)],
)
def test_the_rate_limit_is_that_of_the_source_unless_set(
    monkeypatch: pytest.MonkeyPatch, url: str, limit: str, in_force: int
) -> None:
    monkeypatch.setenv("ETL_SOURCE_URL", url)
    monkeypatch.setenv("ETL_SOURCE_REQUESTS_PER_MINUTE", limit)

    assert load_settings().requests_per_minute == in_force


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ETL_SOURCE_TOKN", "Did you mean ETL_SOURCE_TOKEN?"),
        ("ETL_LAKEURL", "Did you mean ETL_LAKE_URL?"),
        ("ETL_XYZZY", "`python -m tasks.settings` lists all."),
    ],
)
def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, hint: str) -> None:
    monkeypatch.setenv(name, SECRET)

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    assert str(refused.value) == f"There is no setting {name}. {hint}"


@pytest.mark.parametrize(
    "name",
    [
        "SOURCE_REQUESTS_PER_MINUTE",
        "SOURCE_REQUESTS_IN_FLIGHT",
        "SOURCE_CONNECTIONS",
        "SOURCE_TIMEOUT_SECONDS",
        "SOURCE_ATTEMPTS",
        "SOURCE_RETRY_WAIT_SECONDS",
        "SAMPLE_MARKET_CODES",
        "TIME_ZONE",
    ],
)
@pytest.mark.parametrize("value", ["-7331", "nonsense7331", "../7331"])
def test_a_value_that_makes_no_sense_is_refused_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ETL_{name}", value)

    with pytest.raises(ConfigurationError, match=f"ETL_{name}: ") as refused:
        load_settings()

    assert "7331" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_SOURCE_ATTEMPTS", "0")
    monkeypatch.setenv("ETL_TIME_ZONE", "America")  # a folder of time zones

    with pytest.raises(ConfigurationError, match=r"ETL_TIME_ZONE: .*no such time zone; ETL_SOURCE_ATTEMPTS: "):
        load_settings()


def test_no_secret_is_in_the_text_of_the_settings() -> None:
    settings = Settings(source_token=SECRET, warehouse_url=f"postgresql://etl:{SECRET}@db/prices")

    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())
    assert SECRET not in settings.model_dump_json()
    assert settings.source_token.get_secret_value() == SECRET


def test_what_is_in_force_is_shown_with_where_it_is_from() -> None:
    done = show(ETL_EXCHANGE="LSE", ETL_SOURCE_TOKEN=SECRET, etl_codes="A.US,B.US")

    assert done.returncode == 0
    assert "ETL_EXCHANGE = LSE\n    [environment] " in done.stdout
    assert "ETL_CODES = A.US,B.US\n    [environment] " in done.stdout
    assert "ETL_LAKE_URL = .etl/lake\n    [default] " in done.stdout
    assert "ETL_SOURCE_TOKEN = ***\n" in done.stdout
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://etl:{SECRET}@db:5432/prices", "postgresql://etl:***@db:5432/prices"),
        (f"mssql://etl:p@{SECRET}@db/prices", "mssql://etl:***@db/prices"),
        (f"adbc+snowflake://db/prices?phrase={SECRET}", "adbc+snowflake://db/prices?***"),
        ("sqlite:///folder/warehouse.sqlite", "sqlite:///folder/warehouse.sqlite"),
    ],
)
def test_the_url_of_the_warehouse_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert f"ETL_WAREHOUSE_URL = {shown}\n" in show(ETL_WAREHOUSE_URL=url).stdout


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_everything_is_shown_whole_at_any_width(columns: str) -> None:
    lake = "/a/very/long/path" * 20
    done = show(COLUMNS=columns, ETL_LAKE_URL=lake)

    assert f"ETL_LAKE_URL = {lake}\n" in done.stdout
    assert all(f"ETL_{name.upper()}" in done.stdout for name in Settings.model_fields)
    assert max(len(line) for line in done.stdout.splitlines() if lake not in line) <= 80


def test_on_an_error_one_still_sees_what_the_settings_are_for() -> None:
    done = show(ETL_SOURCE_ATTEMPTS="many")

    assert done.returncode == 1
    assert "ETL_SOURCE_ATTEMPTS\n    tries per request" in done.stdout
    assert "ETL_SOURCE_ATTEMPTS: Input should be a valid integer" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().exchange = "LSE"  # type: ignore[misc]


def test_no_variable_of_the_machine_reaches_these_tests() -> None:
    assert not [name for name in os.environ if name.startswith("ETL_")]


def test_what_deploying_reads_is_no_setting_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ETL_IMAGE", "ETL_IMAGE_PLATFORM", "ETL_WORK_POOL"):
        monkeypatch.setenv(name, "of-a-shell")
    load_settings()
    monkeypatch.setenv("ETL_WORK_POOLS", "x")
    with pytest.raises(ConfigurationError, match="There is no setting ETL_WORK_POOLS"):
        load_settings()
