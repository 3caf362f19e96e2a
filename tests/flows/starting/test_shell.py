"""From a shell what goes wrong is told in words, and at once where it can be."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_wrong_settings_are_refused_before_anything_is_started() -> None:
    # A server that cannot be started: whoever tries ends otherwise.
    done = _shell(ETL_TIME_ZONE="Mars/Crater", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Settings make no sense: ETL_TIME_ZONE")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("flow", [["market_prices"], ["backfill", "--plan"]])
def test_days_in_the_wrong_order_are_told_in_words(flow: list[str]) -> None:
    done = _shell("--first", "2024-02-01", "--last", "2024-01-01", flow=flow)
    assert done.returncode == 1
    assert done.stderr.startswith("\nThe window ends on 2024-01-01, before it starts on 2024-02-01.")


@pytest.mark.usefixtures("prefect_api")
def test_a_failed_run_tells_its_reason_and_no_traceback(tmp_path: Path) -> None:
    home = f"sqlite:///{tmp_path}/warehouse.sqlite"
    done = _shell("NO CODE", ETL_LAKE_URL=str(tmp_path / "lake"), ETL_WAREHOUSE_URL=home)
    assert done.returncode == 1
    assert "\n\n'NO CODE' is not an instrument's code. Codes look like" in done.stderr
    assert "Finished in state Failed" in done.stderr
    assert "Traceback" not in done.stderr


def _shell(
    *arguments: str, flow: Sequence[str] = ("market_prices",), **settings: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"flows.{flow[0]}", *flow[1:], *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, timeout=300, check=False
    )
