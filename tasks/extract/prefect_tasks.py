"""The Prefect tasks that pull data from sources into the `raw` state."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from prefect import get_client, get_run_logger, task
from prefect.concurrency.asyncio import rate_limit
from prefect.exceptions import ObjectAlreadyExists
from prefect.runtime import flow_run

from tasks.codes import as_listed, qualified
from tasks.coverage import refetches, stored
from tasks.coverage.listings import keep_listing
from tasks.coverage.stored import Missing
from tasks.database import database_name, open_stream, url_of
from tasks.datasets import RAW_PRICES, Dataset
from tasks.errors import ConfigurationError
from tasks.extract.identity import check_source
from tasks.extract.prices import plan as prices
from tasks.extract.prices.plan import Extracted, Part, Shard
from tasks.extract.prices.source import name_of, open_source
from tasks.extract.queries import query as sql
from tasks.extract.queries.query import Query, QueryExtracted
from tasks.extract.rate_limit import SharedRateLimit, requests_per_second
from tasks.extract.wide_files.layout import Layout
from tasks.extract.wide_files.vendor_files import ExtractedFile, bounds_of, extract_file
from tasks.lake import configured_lake
from tasks.lake.landing import Landed, Landing, Shelf
from tasks.sessions.closing_times import AsOf
from tasks.settings import Settings, load_settings
from tasks.window import Window

_SECONDS_BETWEEN_LINES = 5.0


@task
async def plan_prices(codes: Sequence[str] | None, window: Window, shards: int | None = None) -> list[Shard]:
    """The shards in which these codes are fetched; for None those of `ETL_CODES`, or else all of the exchange.

    All are those that traded on the last session, and those that the lake has in the window: their days may be revised,
    whether or not they still trade."""
    settings = load_settings()
    await asyncio.to_thread(
        check_source, configured_lake(), RAW_PRICES, name_of(settings), "ETL_SOURCE_NAME", str(flow_run.id)
    )
    named = settings.codes if codes is None else codes
    if named or codes is not None:
        names = qualified(named, settings.exchange)
    else:
        names = as_listed(await _all_codes(window), settings.exchange)
    spans = await asyncio.to_thread(stored.spans, configured_lake(), names, window)
    return prices.plan(spans, window, "window", shards)


@task
async def plan_spans(spans: Mapping[str, Window], window: Window, part: Part) -> list[Shard]:
    """The shards in which the codes of a run's window are asked for other days, each for its own."""
    return prices.plan(spans, window, part)


@task(task_run_name="extract_prices {shard.part} {shard.number} of {shard.of}")
async def extract_prices(shard: Shard, *, since: datetime | None = None) -> Extracted:
    """Fetches a shard's codes into `raw/prices`, but for those that this window has already, from `since` on."""
    settings = load_settings()
    async with open_source(settings, await _shared_limit(settings)) as source:
        return await prices.extract(
            configured_lake(),
            source,
            shard,
            run=str(flow_run.id),
            in_flight=settings.source_requests_in_flight,
            as_of=AsOf(datetime.now(UTC), settings.source_delay, since),
            progress=_progress(shard),
        )


@task
async def find_missing(
    windows: Sequence[Window], codes: Sequence[str] | None, since: datetime | None = None
) -> list[Missing]:
    """What each window that lacks something lacks of these codes, or of all; answers before `since` do not count."""
    wanted = stored.wanted(load_settings(), codes, since)
    found = [m for m in await asyncio.to_thread(stored.missing, configured_lake(), windows, wanted) if m]
    get_run_logger().info("%d of %d windows lack something", len(found), len(windows))
    return found


@task
async def begin_refetch(key: str) -> datetime:
    """Since when the answers of this refetch count: it may have begun in a run that was stopped."""
    return await asyncio.to_thread(refetches.begin, configured_lake(), key, datetime.now(UTC), str(flow_run.id))


@task
async def end_refetch(key: str, begun: datetime) -> None:
    """The next refetch of this key begins anew."""
    await asyncio.to_thread(refetches.end, configured_lake(), key, begun, str(flow_run.id))


@task(task_run_name="extract_query {dataset.name}")
async def extract_query(dataset: Dataset, query: Query) -> QueryExtracted:
    """Reads what is new of a query of `ETL_SOURCE_DATABASE_URL` into a raw dataset, and keeps how far it was read."""
    extracted = await asyncio.to_thread(_extract_query, dataset, query, str(flow_run.id))
    get_run_logger().info(
        "%s: %d rows read up to %s, %d of them new",
        dataset.name,
        extracted.rows_read,
        extracted.cursor,
        extracted.rows_new,
    )
    if extracted.rows_ahead:
        text = "%s: %d rows have a %s beyond now or `until`. They are kept, and read again; the cursor stays at %s"
        get_run_logger().warning(text, dataset.name, extracted.rows_ahead, query.cursor, extracted.cursor)
    if extracted.rows_without_cursor:
        text = "%s: %d rows have no %s, so nobody can say whether they are new. They are in quarantine/%s/%s"
        nulls = extracted.rows_without_cursor
        get_run_logger().warning(text, dataset.name, nulls, query.cursor, dataset.name, query.part)
    if extracted.rows_unfit:
        text = "%s: %d rows have values that the dataset cannot hold. They are in quarantine/%s/%s, with their reasons"
        get_run_logger().warning(text, dataset.name, extracted.rows_unfit, dataset.name, query.part)
    return extracted


def _extract_query(dataset: Dataset, query: Query, run: str) -> QueryExtracted:
    url = load_settings().source_database_url
    if url is None:
        raise ConfigurationError(
            f"There is no database to read {dataset.name} from. Set ETL_SOURCE_DATABASE_URL, such as "
            "postgresql://USER:PASSWORD@HOST/DATABASE."
        )
    lake = configured_lake()
    with url_of("ETL_SOURCE_DATABASE_URL"):
        name = load_settings().source_database_name or database_name(url.get_secret_value())
    check_source(lake, dataset, name, "ETL_SOURCE_DATABASE_NAME", run)
    with url_of("ETL_SOURCE_DATABASE_URL"), open_stream(url) as stream:
        return sql.extract(lake, stream, dataset, query, run=run, fetched_at=datetime.now(UTC))


@task
async def find_vendor_files(patterns: Sequence[str]) -> list[Landed]:
    """The files in the landing state whose path fits one of the patterns, in the order of their drop."""
    found = await asyncio.to_thread(Landing(configured_lake().store).waiting, patterns)
    get_run_logger().info("%d files in landing", len(found))
    return found


@task(task_run_name="extract_vendor_file {file.path}")
async def extract_vendor_file(file: Landed, layout: Layout) -> ExtractedFile:
    """Reads a wide file into `raw/vendor_columns` and `raw/vendor_rows`."""
    lake, run = configured_lake(), str(flow_run.id)
    bounds = bounds_of(load_settings())
    extracted = await asyncio.to_thread(extract_file, lake, Landing(lake.store), file, layout, run, bounds)
    get_run_logger().info("%d rows of %d dates", extracted.rows.rows, extracted.columns.rows)
    return extracted


@task(task_run_name="put_away_vendor_file {file.path} as {shelf}")
async def put_away_vendor_file(file: Landed, shelf: Shelf, note: str) -> None:
    """Moves the file to `landing/done/` or `landing/failed/`, with the note beside it."""
    await asyncio.to_thread(Landing(configured_lake().store).put_away, file, shelf, note.encode())


async def _all_codes(window: Window) -> list[str]:
    settings, lake = load_settings(), configured_lake()
    as_of = AsOf(datetime.now(UTC), settings.source_delay)
    day = as_of.last_day_of(settings.exchange, window) or window.last
    async with open_source(settings) as source:
        listed = await source.codes(settings.exchange, day)
    run = str(flow_run.id)
    await asyncio.to_thread(keep_listing, lake, settings.exchange, window.last, listed, as_of.now, run)
    there = await asyncio.to_thread(stored.stored_codes, lake, settings.exchange, window)
    return sorted({*listed, *there})


async def _shared_limit(settings: Settings) -> SharedRateLimit | None:
    """The limit that all machines share, made anew from this machine's settings, or none."""
    name, per_minute = settings.source_shared_limit, settings.requests_per_minute
    if not (name and per_minute):
        return None
    rate = requests_per_second(per_minute)
    block = max(1, round(rate))  # a second's worth
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):  # another machine was first
            await client.upsert_global_concurrency_limit_by_name(name, block, rate)
    return SharedRateLimit(lambda requests: rate_limit(name, occupy=requests, strict=True), block)


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
