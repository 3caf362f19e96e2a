"""The Prefect tasks that pull data from sources into the `raw` state."""

import time
from collections.abc import Callable, Sequence

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from tasks.extract import prices
from tasks.extract.prices import Extracted, Part, Shard
from tasks.extract.source import open_source
from tasks.lake import open_lake
from tasks.settings import load_settings
from tasks.window import Window

__all__ = ["Extracted", "Shard", "extract_prices", "plan_prices"]

_SECONDS_BETWEEN_LINES = 5.0


@task
async def plan_prices(
    codes: Sequence[str] | None, window: Window, span: Window, part: Part = "window", shards: int | None = None
) -> list[Shard]:
    """The shards in which these codes are fetched; for None those of `ETL_CODES`, or else all of the exchange."""
    settings = load_settings()
    if codes is None:
        codes = settings.codes or await _all_codes(window)
    return prices.plan(prices.qualified(codes, settings.exchange), window, span, part, shards)


@task(task_run_name="extract_prices {shard.part} {shard.number} of {shard.of}")
async def extract_prices(shard: Shard, *, refetch: bool = False) -> Extracted:
    """Fetches a shard's codes into `raw/prices`, but for those that this window has already."""
    settings = load_settings()
    async with open_source(settings) as source:
        return await prices.extract(
            open_lake(settings.lake_url),
            source,
            shard,
            run=str(flow_run.id),
            in_flight=settings.source_requests_in_flight,
            refetch=refetch,
            progress=_progress(shard),
        )


async def _all_codes(window: Window) -> list[str]:
    settings = load_settings()
    async with open_source(settings) as source:
        return await source.codes(settings.exchange, window.last)


def _progress(shard: Shard) -> Callable[[int, int], None]:
    """Logs every few seconds how far the shard is."""
    logger = get_run_logger()
    said = time.monotonic()

    def progress(codes: int, rows: int) -> None:
        nonlocal said
        if codes == len(shard.codes) or time.monotonic() - said >= _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            logger.info("%d of %d codes, %d rows", codes, len(shard.codes), rows)

    return progress
