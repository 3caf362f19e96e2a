"""What somebody removed or changed by hand is found by the checks, shown by a plan, and mended by `reconcile`."""

import asyncio
from collections.abc import Callable

import pytest
from polars.testing import assert_frame_equal

from flows.data_quality import data_quality
from tasks.datasets import PRICE_MEASURES, PRICES, RAW_PRICES
from tasks.errors import ContractError, FatalError
from tests.flows.reconcile.conftest import SPRING, WINTER, Stores

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_rows_changed_by_hand_are_found_and_brought_back(stores: Stores) -> None:
    stores.run(WINTER)
    loaded, measured = stores.rows(), stores.rows(PRICE_MEASURES)
    stores.execute("DELETE FROM prices WHERE code = 'AAPL.US' AND date < '2024-01-08' AND date >= '2024-01-01'")
    stores.execute("UPDATE prices SET close = close + 0.001 WHERE code = 'MSFT.US' AND date = '2024-01-09'")
    stores.execute("DELETE FROM price_measures")

    with pytest.raises(ContractError, match=r"warehouse of prices: 2 partitions.*AAPL.US has \d rows too few"):
        asyncio.run(data_quality(WINTER))
    plan = stores.reconcile(plan_only=True)
    assert "MSFT.US has other values" in plan
    assert "| price_measures year=2024/shard=" in plan
    assert stores.rows().height < loaded.height

    assert stores.reconcile() == plan
    assert_frame_equal(stores.rows(), loaded)
    assert_frame_equal(stores.rows(PRICE_MEASURES), measured)
    asyncio.run(data_quality(WINTER))


@pytest.mark.parametrize("lost", [PRICES, PRICE_MEASURES, RAW_PRICES], ids=lambda d: f"{d.state}-{d.name}")
def test_a_file_that_is_gone_is_named_and_made_anew(local: Stores, lost, remove_file: Callable[..., str]) -> None:
    local.run(WINTER)
    loaded, measured = local.rows(), local.rows(PRICE_MEASURES)
    path = remove_file(local, lost)

    with pytest.raises(FatalError, match=rf"has lost 1 of the 1 files of its current snapshot, the first is {path}"):
        _run_each(local)
    assert_frame_equal(local.rows().join(loaded, on=PRICES.key, how="semi"), loaded)

    assert f"{lost.state}/{lost.name}/" in local.reconcile()
    local.run(WINTER)
    assert_frame_equal(local.rows().join(loaded, on=PRICES.key, how="semi"), loaded)
    assert_frame_equal(local.rows(PRICE_MEASURES).join(measured, on=PRICE_MEASURES.key, how="semi"), measured)
    assert local.reconcile(plan_only=True).startswith("Lake and warehouse agree")


def _run_each(stores: Stores) -> None:
    for window in (WINTER, SPRING):
        stores.run(window, refetch=True)
