"""The Prefect tasks that move what changed into the SQL warehouse."""

import asyncio
from collections.abc import Mapping, Sequence

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from tasks.database.dialects.failure import LockedError
from tasks.datasets import CATALOGUE, Dataset
from tasks.errors import ConfigurationError, ContractError, FatalError, TransientError
from tasks.isolation import Failure, attempted
from tasks.lake import configured_lake
from tasks.load.changes import changes
from tasks.load.ledger import RunRow
from tasks.load.load_result import LoadResult
from tasks.load.warehouse import open_warehouse
from tasks.settings import load_settings
from tasks.window import Window

__all__ = [
    "LoadResult",
    "RunRow",
    "find_differences",
    "load_dataset",
    "load_table",
    "load_tables",
    "reconcile_table",
    "record_run",
    "remove_staging",
    "require_warehouse",
]


async def require_warehouse() -> None:
    """Opens the warehouse and closes it: one that cannot work is told before anything is fetched for it."""
    await asyncio.to_thread(_open_once)


@task(task_run_name="load_table {table}")
async def load_table(table: str) -> LoadResult:
    """Brings a table up to its dataset in the catalogue, in one transaction."""
    return await _logged_load(_dataset(table))


async def load_tables(tables: Sequence[str]) -> LoadResult:
    """Each of them, whatever becomes of the others. Raises what went wrong when all were tried."""
    loaded, failed = LoadResult(), dict[str, Failure]()
    for table in tables:
        try:
            result = await attempted(load_table(table))
        except FatalError as error:
            if not failed:  # else it may come of what went wrong before
                raise
            result = Failure(error)
        if isinstance(result, Failure):
            failed[table] = result
        else:
            loaded += result
    if failed:
        raise _of_all(failed, len(tables))
    return loaded


@task(task_run_name="load_dataset {dataset.name}")
async def load_dataset(dataset: Dataset) -> LoadResult:
    """The same for any dataset in the lake that names a table."""
    return await _logged_load(dataset)


@task
async def find_differences(window: Window | None = None) -> dict[str, dict[str, str]]:
    """What the warehouse has otherwise than the lake it was loaded from, by dataset and partition.

    Of the years that have a day in the window, or of all. Nothing is changed."""
    found = await asyncio.to_thread(_compare, window)
    for dataset, partitions in found.items():
        get_run_logger().info("%s: %d partitions differ from the lake", dataset, len(partitions))
    return found


@task(task_run_name="reconcile_table {table}")
async def reconcile_table(table: str, *, lake_is_right: bool) -> LoadResult:
    """As `load_table`, and also what was loaded and is otherwise now; whatever goes, if the lake is right."""
    return await _logged_load(_dataset(table), again=True, lake_is_right=lake_is_right)


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


async def _logged_load(dataset: Dataset, *, again: bool = False, lake_is_right: bool = False) -> LoadResult:
    result = await asyncio.to_thread(_load, dataset, str(flow_run.id), again=again, lake_is_right=lake_is_right)
    text = "%s: %d rows inserted, %d updated, %d deleted"
    get_run_logger().info(text, dataset.table, result.inserted, result.updated, result.deleted)
    return result


def _open_once() -> None:
    with open_warehouse(load_settings().warehouse_url):
        pass


def _load(dataset: Dataset, run: str, *, again: bool, lake_is_right: bool) -> LoadResult:
    settings = load_settings()
    lake = configured_lake()
    with open_warehouse(settings.warehouse_url) as warehouse:
        differing = warehouse.compare(lake, dataset) if again else ()
        result = warehouse.load(
            dataset,
            changes(lake, dataset, warehouse.loaded(dataset), differing),
            run=run,
            largest_deletion=settings.largest_deletion,
            lake_is_right=lake_is_right,
        )
        warehouse.ensure_views()
        return result


def _compare(window: Window | None) -> dict[str, dict[str, str]]:
    lake = configured_lake()
    with open_warehouse(load_settings().warehouse_url) as warehouse:
        found = {d.name: warehouse.compare(lake, d, window) for d in CATALOGUE if d.table}
    return {name: partitions for name, partitions in found.items() if partitions}


def _remove_staging() -> list[str]:
    with open_warehouse(load_settings().warehouse_url) as warehouse:
        return warehouse.remove_abandoned_staging()


def _record(row: RunRow) -> None:
    with open_warehouse(load_settings().warehouse_url) as warehouse:
        warehouse.record_run(row)


def _dataset(table: str) -> Dataset:
    for dataset in CATALOGUE:
        if dataset.table == table:
            return dataset
    known = ", ".join(d.table for d in CATALOGUE if d.table)
    raise ConfigurationError(f"No dataset becomes the table {table}. Those that do: {known}.")


def _of_all(failed: Mapping[str, Failure], tables: int) -> BaseException:
    """Of several, an error of the kind of the first; it is worth trying again where that is so of all."""
    errors = [failure.error for failure in failed.values()]
    if len(errors) == 1:
        return errors[0]
    told = " ".join(f"{table}: {failure.reason}" for table, failure in failed.items())
    message = f"{len(failed)} of {tables} tables were not loaded. {told}"
    if all(isinstance(error, TransientError) for error in errors):
        return TransientError(message)
    return ContractError(message) if isinstance(errors[0], ContractError) else FatalError(message)
