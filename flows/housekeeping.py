"""Removes what nobody will read again: superseded snapshots, files of runs that died, and old staging tables.

`.dev/python -m flows.housekeeping --help` runs it from a shell.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.housekeeping import main

    raise SystemExit(main())

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact

from flows.starting.resumable import resumable
from tasks.errors import FatalError
from tasks.lake import configured_lake
from tasks.lake.retention.housekeeping import Kept, housekeep
from tasks.load import remove_staging
from tasks.prefect_api.artifacts import keep_artifact
from tasks.retention_period import DEFAULT_DAYS, retention_of


@flow(name="housekeeping")
@resumable
async def housekeeping(retention_days: float = DEFAULT_DAYS) -> list[Kept]:
    """Removes snapshots that have not been current for so long, and what died runs left in lake and warehouse.

    Args:
        retention_days: A read, and a run, may take as long as that. At least an hour, which is 0.042.
    """
    kept = await tidy_lake(retention_of(retention_days))
    await remove_staging()
    if failed := [f"{k.dataset}: {k.failed}" for k in kept if k.failed]:
        raise FatalError(f"Housekeeping is done but for {len(failed)} of {len(kept)} datasets. {' '.join(failed)}")
    return kept


@task
async def tidy_lake(retention: timedelta) -> list[Kept]:
    """Removes what is expired in each dataset of the catalogue; what became of it is kept as an artifact."""
    lake = configured_lake()
    results = await asyncio.to_thread(housekeep, lake, retention, datetime.now(UTC))
    for kept in results:
        text = "%s: %d snapshots removed, %d bytes; %d stay, for they are being read"
        get_run_logger().info(text, kept.dataset, kept.removed, kept.bytes, kept.being_read)
    await keep_artifact(
        acreate_table_artifact(
            [asdict(kept) for kept in results],
            key="housekeeping",
            description=f"Older than {retention}, and not current",
        )
    )
    return results
