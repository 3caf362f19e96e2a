"""Removes what nobody will read again: superseded snapshots, files of runs that died, and old staging tables.

`.dev/python -m flows.housekeeping --help` runs it from a shell.
"""

import argparse
import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from rich.console import Console

from flows.shell import run_in_shell
from tasks.errors import ConfigurationError
from tasks.lake import configured_lake
from tasks.lake.housekeeping import Kept, housekeep
from tasks.load import remove_staging

_RETENTION_DAYS = 7.0


@flow(name="housekeeping")
async def housekeeping(retention_days: float = _RETENTION_DAYS) -> list[Kept]:
    """Removes snapshots that have not been current for so long, and what died runs left in lake and warehouse.

    Args:
        retention_days: A read, and a run, may take as long as that. At least an hour, which is 0.042.
    """
    kept = await tidy_lake(_retention(retention_days))
    await remove_staging()
    return kept


@task
async def tidy_lake(retention: timedelta) -> list[Kept]:
    """Removes what is expired in each dataset of the catalogue; what became of it is kept as an artifact."""
    lake = configured_lake()
    results = await asyncio.to_thread(housekeep, lake, retention, datetime.now(UTC))
    for kept in results:
        text = "%s: %d snapshots removed, %d bytes; %d stay, for they are being read"
        get_run_logger().info(text, kept.dataset, kept.removed, kept.bytes, kept.being_read)
    await acreate_table_artifact(
        [asdict(kept) for kept in results], key="housekeeping", description=f"Older than {retention}, and not current"
    )
    return results


def _retention(days: float) -> timedelta:
    try:
        return timedelta(days=days)
    except (ValueError, OverflowError):
        raise ConfigurationError(f"{days} days are no time to keep snapshots for. Give a number such as 7.") from None


def main() -> None:
    """The flow from a shell, on a temporary Prefect API where none is configured."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.housekeeping",
        description="Removes superseded snapshots, abandoned files and old staging tables.",
    )
    parser.add_argument("--retention-days", type=float, default=_RETENTION_DAYS, help="how long they are kept (7)")
    options = parser.parse_args()
    results = run_in_shell(housekeeping(options.retention_days))
    removed, freed = sum(kept.removed for kept in results), sum(kept.bytes for kept in results)
    Console().print(f"{removed} snapshots removed from the lake, {freed:,} bytes")


if __name__ == "__main__":
    main()
