"""A source with every fault it can have: what comes through is right, and what is missing is named."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.extract.sample_market import Faults, Served
from tasks.extract.sample_market.faults.faults import PASSING
from tests.flows.conftest import YEAR, House, market_frame

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

DAMAGE = (
    "not_found",
    "empty_list",
    "bare_number",
    "missing_field",
    "null_number",
    "text_number",
    "duplicate_records",
    "conflicting_records",
    "negative_price",
    "high_below_low",
    "outside_range",
)


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three requests are struck."""
    monkeypatch.setenv("ETL_SOURCE_ATTEMPTS", "40")
    monkeypatch.setenv("ETL_SOURCE_RETRY_WAIT_SECONDS", "0")
    monkeypatch.setenv("ETL_SOURCE_TIMEOUT_SECONDS", "2")


def faults(*names: str, rate: float = 0.1, **parameters: object) -> Faults:
    return Faults.model_validate(
        dict.fromkeys(names, rate) | {"retry_after_seconds": 0, "slow_seconds": 0.05} | parameters
    )


def test_what_trying_again_heals_leaves_no_trace(house: House, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)
    served.faults = faults(*PASSING)
    house.run()
    stored = house.table("prices").with_columns(pl.col("date").str.to_date())
    assert_frame_equal(stored, market_frame(served.market, "US", YEAR).select(stored.columns), check_dtypes=False)
    assert served.requests.by_status.keys() >= {429, 500, 502, 503}


def test_with_everything_wrong_what_is_lost_is_named_and_the_rest_is_right(
    house: House, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a source can have, but for what stops a run at once: see test_refusals.py."""
    be_patient(monkeypatch)
    served.faults = faults(*PASSING, *DAMAGE)
    report = house.run()
    expected = market_frame(served.market, "US", YEAR)
    stored = house.table("prices").with_columns(pl.col("date").str.to_date())
    wrong = stored.join(expected, on=["code", "date"], how="left", suffix="_sent").filter(
        pl.any_horizontal(pl.col(c) != pl.col(f"{c}_sent") for c in expected.columns if c not in {"code", "date"})
    )
    assert wrong.is_empty()

    struck = {code: served.faults.of_code(code) for code in expected["code"].unique()}
    lost = {
        code
        for code, fault in struck.items()
        if fault in {"not_found", "empty_list", "bare_number", "missing_field", "text_number"}
    }
    assert set(struck) - set(stored["code"]) == lost
    named = house.table("data_quality").filter(pl.col("check") == "completeness")["detail"].item()
    refused = {code for code in lost if struck[code] != "empty_list"}
    assert len(refused) > 10
    assert int(named.split()[0]) == len(refused)
    whole = [code for code, fault in struck.items() if fault in {None, "duplicate_records", "outside_range"}]
    assert_frame_equal(
        stored.filter(pl.col("code").is_in(whole)),
        expected.filter(pl.col("code").is_in(whole)).select(stored.columns),
        check_dtypes=False,
    )
    run = house.table("etl_runs").row(0, named=True)
    assert run["rows_in"] == run["rows_out"] + run["quarantined"] + run["duplicates"]
    assert run["quarantined"] > 0
    assert run["duplicates"] > 0
    assert "in quarantine" in report.summary
