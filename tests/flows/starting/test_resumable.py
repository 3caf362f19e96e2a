"""What is Resumable is resumed by itself where its deployment has patience, and otherwise ends in that state."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import FailedRun, Pause
from prefect.flow_engine import run_flow
from prefect.states import Scheduled
from psycopg import sql

from flows.market_prices import market_prices
from flows.starting.resumable import next_attempt
from tasks.errors import QuotaExhausted, TransientError
from tasks.extract.prices.eodhd import until_reset
from tasks.extract.sample_market import Faults, Served
from tests.flows.conftest import YEAR, House
from tests.servers.postgres import Postgres, postgres

__all__ = ["postgres"]

EVENING = datetime(2024, 6, 27, 1, tzinfo=UTC)  # 21:00 in New York
Source = Callable[[datetime], QuotaExhausted | TransientError | None]


def down_for(hours: float, retry_after: float | None = None) -> Source:
    back = EVENING + timedelta(hours=hours)
    return lambda now: TransientError("away", retry_after) if now < back else None


def without_quota(now: datetime) -> QuotaExhausted | None:
    midnight = now.date() > EVENING.date()
    return None if midnight else QuotaExhausted("used up", until_reset(now).total_seconds())


@pytest.mark.parametrize(
    ("source", "minutes"),
    [
        (down_for(1), [0, 15, 45, 105]),  # a source that is down for an hour
        (without_quota, [0, 23 * 60 + 5]),  # a quota that returns at midnight
        (down_for(0.02), [0, 15]),  # a store that sleeps
        (down_for(0.5, retry_after=7200), [0, 125]),  # one that says when it is back
    ],
)
def test_a_run_is_tried_again_until_it_succeeds(source: Source, minutes: list[int]) -> None:
    assert attempts(source, patience=24) == ([EVENING + timedelta(minutes=m) for m in minutes], True)


@pytest.mark.parametrize(("source", "patience", "count"), [(down_for(99), 24, 26), (without_quota, 12, 1)])
def test_patience_has_an_end(source: Source, patience: float, count: int) -> None:
    moments, ended_well = attempts(source, patience)
    assert (len(moments), ended_well) == (count, False)
    assert moments[-1] <= EVENING + timedelta(hours=patience)


@pytest.mark.parametrize("source", [down_for(1), without_quota])
def test_without_patience_there_is_one_attempt(source: Source) -> None:
    assert attempts(source, patience=0) == ([EVENING], False)


def attempts(source: Source, patience: float) -> tuple[list[datetime], bool]:
    """When a run is executed, and whether the last of these ended well."""
    moments = [EVENING]
    while error := source(moments[-1]):
        later = next_attempt(error, moments[-1], EVENING, len(moments), timedelta(hours=patience))
        if later is None:
            return moments, False
        moments.append(later)
    return moments, True


@pytest.fixture
def deployed(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[UUID]:
    """A run of a deployment that has a day's patience."""
    monkeypatch.setenv("ETL_PATIENCE_HOURS", "24")
    monkeypatch.setenv("ETL_SOURCE_ATTEMPTS", "1")

    async def make() -> tuple[UUID, UUID]:
        deployment = await (await market_prices.ato_deployment("patient")).aapply()
        parameters = {"codes": ["AAPL.US"], "window": YEAR.model_dump(mode="json"), "lag_days": 0}
        async with get_client() as client:
            return deployment, (await client.create_flow_run_from_deployment(deployment, parameters=parameters)).id

    async def remove(deployment: UUID) -> None:
        async with get_client() as client:
            await client.delete_deployment(deployment)

    deployment, run = asyncio.run(make())
    yield run
    asyncio.run(remove(deployment))


def test_a_source_that_is_down_hands_the_run_back(house: House, served: Served, deployed: UUID) -> None:
    served.faults = Faults(unavailable_silent=1)
    handed_back(deployed, "The source failed all 1 codes", hours=0.25)
    handed_back(deployed, "The source failed all 1 codes", hours=0.5)
    served.faults = Faults()
    assert executed(deployed) == StateType.COMPLETED
    assert house.count("prices") > 0
    assert house.count("etl_runs") == 1


def test_a_used_up_quota_hands_the_run_back_until_midnight(house: House, served: Served, deployed: UUID) -> None:
    served.faults = Faults(quota_used_up=1)
    before = datetime.now(UTC)
    later = handed_back(deployed, "The source's daily quota is used up", hours=0.25)
    assert later.hour == 0 or later - before < timedelta(hours=1)  # a few minutes after midnight GMT
    served.faults = Faults()
    assert executed(deployed) == StateType.COMPLETED


def test_a_store_that_sleeps_hands_the_run_back(
    house: House, served: Served, deployed: UUID, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.database()
    monkeypatch.setenv("ETL_WAREHOUSE_URL", postgres.url(database))
    sleep = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    postgres.execute(sleep.format(sql.Identifier(database), sql.SQL("false")))
    handed_back(deployed, "could not be reached", hours=0.25)
    assert served.requests.total == 0
    postgres.execute(sleep.format(sql.Identifier(database), sql.SQL("true")))
    assert executed(deployed) == StateType.COMPLETED
    postgres.drop(database)


def test_at_the_end_of_patience_it_is_resumable(
    house: House, served: Served, deployed: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_PATIENCE_HOURS", "0.1")
    served.faults = Faults(unavailable_silent=1)
    with pytest.raises(FailedRun, match="Run the same window again when the source is back"):
        executed(deployed)
    assert state_name(deployed) == "Resumable"


def test_prefect_s_own_retries_resume_it_too(house: House, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PATIENCE_HOURS", "24")  # of which a run without a deployment has nothing
    monkeypatch.setenv("ETL_SOURCE_ATTEMPTS", "1")
    served.faults = Faults(quota_used_up=1)
    retried = market_prices.with_options(retries=1)
    with pytest.raises(FailedRun, match="daily quota is used up"):
        asyncio.run(retried(["AAPL.US"], YEAR, lag_days=0))
    assert served.requests.total == 2


def handed_back(run: UUID, reason: str, hours: float) -> datetime:
    """When it goes on, not before so many hours; its process has left it."""
    before = datetime.now(UTC)
    with pytest.raises(Pause):
        executed(run)
    state = read(run).state
    assert state
    assert (state.type, state.name) == (StateType.SCHEDULED, "AwaitingRetry")
    assert reason in (state.message or "")
    assert "It goes on by itself at" in (state.message or "")
    later = state.state_details.scheduled_time
    assert later
    assert later >= before + timedelta(hours=hours)
    return later


def executed(run: UUID) -> StateType:
    """As a worker's process executes it, once it is due: now, by the word of an operator."""

    async def execute() -> StateType:
        async with get_client() as client:
            await client.set_flow_run_state(run, Scheduled(scheduled_time=datetime.now(UTC)), force=True)
            await run_flow(market_prices, await client.read_flow_run(run))  # type: ignore[misc]
            return (await client.read_flow_run(run)).state_type or StateType.CRASHED

    return asyncio.run(execute())


def state_name(run: UUID) -> str | None:
    return read(run).state_name


def read(run: UUID) -> FlowRun:
    async def ask() -> FlowRun:
        async with get_client() as client:
            return await client.read_flow_run(run)

    return asyncio.run(ask())
