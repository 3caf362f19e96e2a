"""End-of-day prices of a window of dates: extract, curate, measure, check, load, publish.

`.dev/python -m flows.market_prices --help` runs it from a shell.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.market_prices import main

    raise SystemExit(main())

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel

from flows.starting.resumable import began, resumable
from flows.starting.scheduled import scheduled_window
from tasks.errors import ConfigurationError
from tasks.extract import extract_prices, plan_prices, plan_spans
from tasks.extract.prices.plan import raise_if_down
from tasks.load import LoadResult, RunRow, load_tables, record_run, require_warehouse
from tasks.publish import RunFigures, publish_dashboard, publish_summary, refresh_power_bi
from tasks.quality import Check, check_prices, errors, refuse
from tasks.transform import Figures, curate_prices, find_restated, find_unwitnessed, measure_prices
from tasks.window import LAG_DAYS, Window

_DAYS = 7  # of a scheduled run's window


class Report(BaseModel):
    """What a run tells whoever started it: its summary as Markdown, and the path of the dashboard page, if any."""

    window: Window
    summary: str
    dashboard: str | None


@flow(name="market-prices")
@resumable
async def market_prices(
    codes: list[str] | None = None,
    window: Window | None = None,
    lag_days: int = LAG_DAYS,
    shards: int | None = None,
    refetch: bool = False,  # noqa: FBT001, FBT002 - a field of the form in the UI
    publish: bool = True,  # noqa: FBT001, FBT002
    since: datetime | None = None,
) -> Report:
    """End-of-day prices, their weekly measures and their quality, into the warehouse and onto the dashboard.

    Args:
        codes: Instruments such as AAPL.US. Empty: those of ETL_CODES, or else all that the exchange trades.
        window: Days to fetch. Empty: seven, up to the last that has closed at the time for which the run is scheduled.
        lag_days: So many days before the window are fetched again, because sources revise.
        shards: In how many parts the codes are fetched. Empty: as many as fit into memory.
        refetch: Fetch again what this window has already.
        publish: Off: only fetch, curate and check. Measures, warehouse and dashboard are left to whoever started it.
        since: What was fetched before does not count, and is fetched again. Empty: all counts, or with refetch nothing.
    """
    started = began()
    since = since or (started if refetch else None)
    if not (window or publish):
        raise ConfigurationError(
            "A run that does not publish is one window of a backfill, and was given no window. Give it one, or start "
            "market-prices/daily, or /weekly, which have their own."
        )
    window = run_window(flow_run.scheduled_start_time, codes, window, lag_days)
    if publish:
        await require_warehouse()
    asked_now = await extract_window(codes, window, shards, since=since, restated_too=publish)
    rows = await curate_prices(window)
    if publish:
        await measure_prices()
    checks = await check_prices(window)
    failed = errors(checks)
    if failed and not publish:
        refuse(failed, window)
    loaded = await load_tables(_tables(failed, publish=publish))

    state = "checks failed, not loaded" if failed else "loaded" if publish else "in the lake"
    figures, summary = await publish_summary(_figures(window, asked_now, rows, loaded), state, checks)
    if not publish:
        return Report(window=window, summary=summary, dashboard=None)
    await record_run(_row(figures, state, started))
    page = await publish_dashboard(figures)
    if failed:
        refuse(failed, window)
    await refresh_power_bi()
    return Report(window=window, summary=summary, dashboard=page)


async def extract_window(
    codes: list[str] | None,
    window: Window,
    shards: int | None = None,
    *,
    since: datetime | None,
    restated_too: bool = True,
) -> int:
    """The window's bars, and all other ones of codes whose history the source has restated since.

    Returns how many codes were asked for the window: not those whose answers the lake had."""
    planned = await plan_prices(codes, window, shards)
    brought = [await extract_prices(shard, since=since) for shard in planned]
    raise_if_down(brought)
    asked = sum(shard.codes_asked for shard in brought)
    if not restated_too:
        return asked
    for shard in await plan_spans(await find_unwitnessed(window), window, "witness"):
        await extract_prices(shard, since=since)
    for shard in await plan_spans(await find_restated(window), window, "history"):
        await extract_prices(shard, since=since)
    return asked


def _tables(failed: Sequence[Check], *, publish: bool) -> list[str]:
    if not publish:
        return []
    return ["data_quality"] if failed else ["prices", "price_measures", "data_quality"]


def run_window(
    scheduled: datetime, codes: Sequence[str] | None, window: Window | None, lag_days: int = LAG_DAYS
) -> Window:
    """The days of a run with these parameters that is scheduled for this time."""
    return (window or scheduled_window(scheduled, _DAYS, codes)).reaching_back(lag_days)


def _figures(window: Window, asked_now: int, rows: Figures, loaded: LoadResult) -> RunFigures:
    return RunFigures(
        run=flow_run.name,
        window=window,
        generated_at=datetime.now(UTC),
        codes_asked_now=asked_now,
        rows_received=rows.received,
        rows_published=rows.published,
        rows_quarantined=rows.quarantined,
        rows_duplicates=rows.duplicates,
        rows_revised=rows.revised,
        rows_withdrawn=rows.withdrawn,
        loaded_inserted=loaded.inserted,
        loaded_updated=loaded.updated,
        loaded_deleted=loaded.deleted,
    )


def _row(figures: RunFigures, state: str, started: datetime) -> RunRow:
    return RunRow(
        run=str(flow_run.id),
        flow="market-prices",
        window_first=figures.window.first,
        window_last=figures.window.last,
        started=started,
        ended=datetime.now(UTC),
        state=state,
        codes=figures.codes_asked,
        rows_in=figures.rows_received,
        rows_out=figures.rows_published,
        quarantined=figures.rows_quarantined,
        duplicates=figures.rows_duplicates,
        revised=figures.rows_revised,
        loaded=figures.loaded_inserted + figures.loaded_updated,
        withdrawn=figures.rows_withdrawn,
    )
