"""Lake and warehouse agree again: what was lost or changed in one of them is found, and made anew from the other parts.

`.dev/python -m flows.reconcile --help` runs it from a shell; `--plan` only shows what it found.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.reconcile import main

    raise SystemExit(main())

import asyncio
from collections.abc import Mapping, Sequence

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact
from pydantic import BaseModel

from flows.starting.resumable import resumable
from tasks.datasets import CATALOGUE, PRICES
from tasks.lake import SnapshotRef, configured_lake
from tasks.load import LoadResult, find_differences, reconcile_table, require_warehouse
from tasks.prefect_api.artifacts import keep_artifact
from tasks.transform import curate_prices, forget_damaged, measure_prices

_TABLES = [d.table for d in CATALOGUE if d.table]
_NEXT = {  # of what is damaged, by state and dataset; all else is made anew here
    "raw/prices": "fetched again by the next run of its window, or a backfill",
    "raw/fetches": "fetched again by the next run of its window, or a backfill",
    "raw/listings": "listed again by the next run of its day",
    "curated/refetches": "the backfill that fetches again begins anew",
    "raw/vendor_columns": "drop its file of landing/done again",
    "raw/vendor_rows": "drop its file of landing/done again",
    "quarantine/vendor_values": "lost",
    "quarantine/withdrawn_vendor_values": "lost",
    "curated/vendor_values": "drop the files of landing/done again, in their order",
    "published/vendor_measures": "made by the next run of vendor-file",
    "published/data_quality": "lost; the table keeps what it has",
    "published/quality_results": "lost; the table keeps what it has",
}


class Report(BaseModel):
    """What was found, as Markdown, and how many rows of all tables were inserted, updated and deleted."""

    summary: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@flow(name="reconcile")
@resumable
async def reconcile(
    tables: list[str] | None = None,
    plan_only: bool = False,  # noqa: FBT001, FBT002 - a field of the form in the UI
    lake_is_right: bool = False,  # noqa: FBT001, FBT002
) -> Report:
    """What lake and warehouse have lost is made anew: curated from raw, published from curated, SQL from the lake.

    Args:
        tables: Those to bring up to the lake. Empty: all.
        plan_only: Say what was found, and end.
        lake_is_right: Delete from the tables whatever the lake does not have, although it is older, or lost a part.
    """
    await require_warehouse()
    damaged = await find_damaged()
    differing = await find_differences()
    summary = _markdown(damaged, differing)
    get_run_logger().info("Found\n%s", summary)
    await keep_artifact(
        acreate_markdown_artifact(summary, key="reconcile", description="What lake and warehouse have lost")
    )
    if plan_only:
        return Report(summary=summary)
    for window in await forget_damaged(damaged, list(differing.get(PRICES.name, {}))):
        await curate_prices(window)
    await measure_prices()
    done = [await reconcile_table(table, lake_is_right=lake_is_right) for table in tables or _TABLES]
    total = sum(done, start=LoadResult())
    return Report(summary=summary, inserted=total.inserted, updated=total.updated, deleted=total.deleted)


@task
async def find_damaged() -> list[SnapshotRef]:
    """The current snapshots of which a file is gone, in all datasets."""
    lake = configured_lake()
    found = [await asyncio.to_thread(lake.damaged, dataset) for dataset in CATALOGUE]
    return [snapshot for some in found for snapshot in some]


def _markdown(damaged: Sequence[SnapshotRef], differing: Mapping[str, Mapping[str, str]]) -> str:
    lines = ["| where | found | what becomes of it |", "|---|---|---|"]
    for snapshot in damaged:
        home = f"{snapshot.state}/{snapshot.dataset}"
        lines.append(f"| {home}/{snapshot.partition} | a file is gone | {_NEXT.get(home, 'made anew')} |")
    for dataset, partitions in differing.items():
        lines += [
            f"| {dataset} {p} in the warehouse | {what} | brought up to the lake |" for p, what in partitions.items()
        ]
    return "\n".join(lines) if len(lines) > 2 else "Lake and warehouse agree, and nothing is lost."
