"""A lake that is older than what was loaded from it, or that lost a part of it, takes nothing from the warehouse."""

import shutil

import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import PRICE_MEASURES, PRICES
from tasks.errors import FatalError
from tests.flows.reconcile.conftest import JUNE, SPRING, WINTER, Stores

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_a_lake_put_back_from_an_older_copy_deletes_nothing(stores: Stores) -> None:
    stores.run(WINTER)
    backup = stores.copy("backup")
    stores.run(SPRING)
    loaded, measured = stores.rows(), stores.rows(PRICE_MEASURES)
    stores.put_back(backup)

    span = "--first 2024-03-01 --last 2024-05-31"
    with pytest.raises(FatalError, match=rf"lake lacks .*prices.*rows of 2024-03-01 to .*flows.backfill {span}`"):
        stores.run(JUNE)

    assert_frame_equal(stores.rows(), loaded)
    assert_frame_equal(stores.rows(PRICE_MEASURES), measured)
    # One way on: what the lake lacks is fetched again.
    stores.run(SPRING)
    assert stores.rows().height > loaded.height
    for dataset in (PRICES, PRICE_MEASURES):
        assert_frame_equal(stores.rows(dataset), stores.lake_rows(dataset))
    assert_frame_equal(stores.rows().join(loaded, on=PRICES.key, how="semi"), loaded)


def test_a_folder_that_is_gone_takes_no_rows_with_it_and_is_made_anew(stores: Stores) -> None:
    stores.run(WINTER)
    loaded = stores.rows()
    for year in (2023, 2024):  # the next run writes that of 2024 anew
        shutil.rmtree(stores.fullest(PRICES, year))

    with pytest.raises(FatalError, match=r"lake lacks .*year=2024/shard=.*; year=2023/shard="):
        stores.run(SPRING)
    assert_frame_equal(stores.rows(), loaded)

    stores.reconcile()
    assert_frame_equal(stores.rows().join(loaded, on=PRICES.key, how="semi"), loaded)
    for dataset in (PRICES, PRICE_MEASURES):
        assert_frame_equal(stores.rows(dataset), stores.lake_rows(dataset))


def test_the_lake_is_right_when_somebody_says_so(stores: Stores) -> None:
    stores.run(WINTER)
    backup = stores.copy("backup")
    older = stores.rows()
    stores.run(SPRING)
    stores.put_back(backup)
    with pytest.raises(FatalError, match="--lake-is-right prices`"):
        stores.reconcile()
    assert stores.rows().height > older.height

    stores.reconcile(lake_is_right=True)

    assert_frame_equal(stores.rows(), older)
    assert stores.reconcile(plan_only=True).startswith("Lake and warehouse agree")
