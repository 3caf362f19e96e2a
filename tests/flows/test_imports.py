"""What each command imports: nothing heavy before what was typed makes sense, and in a run only what it uses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.extract.sample_market import Served
from tests.flows.conftest import House

ROOT = Path(__file__).parents[2]
HEAVY = {"prefect", "polars", "pyarrow", "numpy", "sqlalchemy", "azure", "fastapi"}
FLOWS = ("market_prices", "backfill", "vendor_file", "export_table", "data_quality", "reconcile", "housekeeping")
COMMANDS = {
    **{f"flows.{name}": HEAVY for name in FLOWS},
    "tasks.settings": HEAVY,
    "tasks.extract.sample_market": HEAVY - {"polars", "numpy"},  # which make what it serves
    "deployments.local": HEAVY,
    "prefect_azure_batch": HEAVY,
    "azure_batch_emulator": HEAVY - {"azure"},  # by whose rules it checks what it is sent
}
SPAN = ("--first", "2024-01-01", "--last", "2024-02-01")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_there_before_anything_heavy_is_imported(command: str) -> None:
    done = _run(command, "--help")
    assert done.returncode == 0
    # A distribution's command is on PATH by its own name.
    named = f"python -m {command}" if "." in command else command.replace("_", "-")
    assert f"usage: {named} " in done.stdout
    assert not _imported(done) & COMMANDS[command]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("flows.market_prices --laag 7", "unrecognized arguments: --laag"),
        ("flows.market_prices --first 01.02.2024", "argument --first: '01.02.2024' is not a day"),
        ("flows.market_prices --first 2024-02-01 --last 2024-01-01", "The window ends on 2024-01-01, before it starts"),
        ("flows.market_prices --lag-days -1", "A window cannot reach back -1 days"),
        ("flows.market_prices --shards 0", "argument --shards: 0 is not 1 or more"),
        ("flows.backfill --first 2024-02-01 --last 2024-01-01", "The window ends on 2024-01-01, before it starts"),
        ("flows.backfill --first 2024-02-01 --at-once 0", "--at-once: Input should be greater than or equal to 1"),
        ("flows.vendor_file --decimal x", "--decimal: Input should be '.' or ','"),
        ("flows.vendor_file --skip-rows -1", "--skip-rows: Input should be greater than or equal to 0"),
        ("flows.vendor_file --dates-in-mean 0", "argument --dates-in-mean: 0 is not 1 or more"),
        ("flows.export_table name SELECT --format xml", "invalid choice: 'xml'"),
        ("flows.data_quality price", "'price' is none of prices, price_measures"),
        ("flows.data_quality --days 0", "argument --days: 0 is not 1 or more"),
        ("flows.housekeeping --retention-days nan", "nan days are no time to keep snapshots for"),
        ("flows.housekeeping --retention-days 0.01", "Give 1:00:00 or more, which is 0.042 days"),
        ("tasks.settings --all", "unrecognized arguments: --all"),
        ("prefect_azure_batch doktor", "invalid choice: 'doktor'"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_heavy_is_imported(command: str, words: str) -> None:
    done = _run(*command.split())
    assert done.returncode in (1, 2)
    assert words in _told(done)
    assert "Traceback" not in done.stderr
    assert not _imported(done) & HEAVY


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a/b", "SELECT 1"], "'a/b' cannot be the name of an export"),
        (["name", "SELECT 1", "--type", "day=dat"], "'dat', of the column day, is not a type"),
    ],
)
def test_what_an_export_cannot_be_is_told_before_prefect_is_imported(arguments: list[str], words: str) -> None:
    done = _run("flows.export_table", *arguments)
    assert done.returncode == 1
    assert words in _told(done)
    assert "prefect" not in _imported(done)


def test_a_plan_of_a_backfill_needs_no_prefect() -> None:
    done = _run("flows.backfill", *SPAN, "--plan", "--plan-codes", "50")
    assert done.returncode == 0
    assert "50 codes of 2024-01-01 to 2024-02-01" in done.stdout
    assert not _imported(done) & HEAVY


def test_a_run_with_nothing_set_imports_no_driver_and_no_sdk_that_it_does_not_use(tmp_path: Path) -> None:
    done = _run("flows.market_prices", *SPAN, home=tmp_path, ETL_SAMPLE_MARKET_CODES="20")
    assert done.returncode == 0, _told(done)
    imported = _imported(done)
    assert imported >= {"prefect", "polars", "adbc_driver_sqlite", "altair", "vl_convert", "uvicorn"}  # all in use
    assert not imported & {"pyodbc", "adbc_driver_postgresql", "azure", "prefect_azure", "fastexcel"}


@pytest.mark.usefixtures("prefect_api")
def test_a_run_without_a_page_on_a_source_elsewhere_imports_neither_charts_nor_a_server(
    tmp_path: Path, served: Served
) -> None:
    done = _run("flows.market_prices", *SPAN, home=tmp_path, ETL_SOURCE_URL=served.url, ETL_DASHBOARD_PATH="")
    assert done.returncode == 0, _told(done)
    assert not _imported(done) & {"altair", "vl_convert", "uvicorn", "pyodbc", "azure", "fastexcel"}


def test_a_run_whose_page_cannot_be_drawn_says_so_and_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ETL_DASHBOARD_PATH", str(house.page))
    monkeypatch.setitem(sys.modules, "vl_convert", None)  # as where it is not installed
    assert house.run().dashboard is None
    assert not house.page.exists()
    assert house.count("prices")
    assert "The dashboard page needs 'prefect-on-azure-batch[dashboard]', which is not installed" in caplog.text


def _run(module: str, *arguments: str, home: Path = ROOT, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command, which writes what it imports to stderr; what a run keeps is kept in `home`."""
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", module, *arguments],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(home / ".prefect")} | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The packages that were imported."""
    found = re.findall(r"^import time: +\d+ \| +\d+ \| +(\w+)", done.stderr, re.MULTILINE)
    assert "argparse" in found
    return set(found)


def _told(done: subprocess.CompletedProcess[str]) -> str:
    return "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith("import time:"))
