"""The Prefect tasks that move what changed into the SQL warehouse."""

import asyncio

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from tasks.datasets import CATALOGUE, Dataset
from tasks.errors import ConfigurationError
from tasks.lake import configured_lake
from tasks.load.changes import changes
from tasks.load.dialects.failure import LockedError
from tasks.load.ledger import RunRow
from tasks.load.part import LoadResult
from tasks.load.warehouse import open_warehouse
from tasks.settings import load_settings

__all__ = ["LoadResult", "RunRow", "load_dataset", "load_table", "record_run", "remove_staging", "require_warehouse"]


async def require_warehouse() -> None:
    """Opens the warehouse and closes it: one that cannot work is told before anything is fetched for it."""
    await asyncio.to_thread(_open_once)


@task(task_run_name="load_table {table}")
async def load_table(table: str) -> LoadResult:
    """Brings a table up to its dataset in the catalogue, in one transaction."""
    return await _logged_load(_dataset(table))


@task(task_run_name="load_dataset {dataset.name}")
async def load_dataset(dataset: Dataset) -> LoadResult:
    """The same for any dataset in the lake that names a table."""
    return await _logged_load(dataset)


@task
async def record_run(row: RunRow) -> None:
    """Writes the run's row of `etl_runs`."""
    await asyncio.to_thread(_record, row)


@task
async def remove_staging() -> list[str]:
    """Drops the staging tables that loads which died have left in the warehouse. Returns their names."""
    try:
        found = await asyncio.to_thread(_remove_staging)
    except LockedError as error:
        get_run_logger().info("Staging tables are left for the next time: %s", error)
        return []
    get_run_logger().info("%d staging tables removed", len(found))
    return found


async def _logged_load(dataset: Dataset) -> LoadResult:
    result = await asyncio.to_thread(_load, dataset, str(flow_run.id))
    text = "%s: %d rows inserted, %d updated, %d deleted"
    get_run_logger().info(text, dataset.table, result.inserted, result.updated, result.deleted)
    return result


def _open_once() -> None:
    with open_warehouse(load_settings().warehouse_url):
        pass


def _load(dataset: Dataset, run: str) -> LoadResult:
    settings = load_settings()
    lake = configured_lake()
    with open_warehouse(settings.warehouse_url) as warehouse:
        result = warehouse.load(dataset, changes(lake, dataset, warehouse.loaded(dataset)), mode="upsert", run=run)
        warehouse.ensure_views()
        return result


def _remove_staging() -> list[str]:
    with open_warehouse(load_settings().warehouse_url) as warehouse:
        return warehouse.remove_leftovers()


def _record(row: RunRow) -> None:
    with open_warehouse(load_settings().warehouse_url) as warehouse:
        warehouse.record_run(row)


def _dataset(table: str) -> Dataset:
    for dataset in CATALOGUE:
        if dataset.table == table:
            return dataset
    known = ", ".join(d.table for d in CATALOGUE if d.table)
    raise ConfigurationError(f"No dataset becomes the table {table}. Those that do: {known}.")
