"""What notebooks and scripts start, wait for and read, on a real Prefect server."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from prefect import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled

from flows.starting.runs import Run, dataset, find, start
from tasks.datasets import PRICES
from tasks.errors import ConfigurationError, FatalError, TransientError
from tasks.lake import Change, open_lake
from tests.deadline import until
from tests.servers.prefect_server import free_port

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FLOW = """
from datetime import date
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

@task
def count(rows):
    create_table_artifact([{"day": str(rows), "n": 1}, {"day": None, "n": 2.5}], key="by-day")

@flow(name="ad-hoc")
def ad_hoc(day: date, fails: bool = False):
    create_table_artifact({"a": [1, 2]}, key="columns")
    create_table_artifact([[1, "x"], [2, "y"]], key="rows")
    create_markdown_artifact("**all**", key="text")
    count(day)
    get_run_logger().warning("that was %s", day)
    if fails:
        raise ValueError("as it was asked to")

if __name__ == "__main__":
    ad_hoc.serve("for-tests", pause_on_shutdown=False)
"""


@pytest.fixture(scope="module")
def deployment(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One whose runs a process executes."""
    folder = tmp_path_factory.mktemp("ad-hoc")
    (folder / "ad_hoc.py").write_text(FLOW)
    environment = {"PATH": str(Path(sys.executable).parent), "PREFECT_API_URL": prefect_api, "HOME": str(folder)}
    with (folder / "runner.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "ad_hoc.py"],
            cwd=folder,
            env={**environment, "PREFECT_RUNNER_POLL_FREQUENCY": "1"},
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: asyncio.run(is_deployed("ad-hoc/for-tests")), 120)
        yield "ad-hoc/for-tests"
    finally:
        process.terminate()
        process.wait(timeout=30)


async def is_deployed(name: str) -> bool:
    try:
        async with get_client() as client:
            return bool(await client.read_deployment_by_name(name))
    except ObjectNotFound:
        return False


def test_a_run_its_state_tables_texts_and_logs(deployment: str, prefect_api: str) -> None:
    async def use() -> Run:
        run = await start(deployment, {"day": date(2024, 6, 28)})
        assert not (await run.state()).is_final()
        assert (await run.wait(timedelta(minutes=4))).is_completed()
        assert await find(run.url.rpartition("/")[2]) == run
        tables = await run.tables()
        assert tables.keys() == {"by-day", "columns", "rows"}
        assert_frame_equal(tables["by-day"], pl.DataFrame({"day": ["2024-06-28", None], "n": [1.0, 2.5]}))
        assert_frame_equal(tables["columns"], pl.DataFrame({"a": [1, 2]}))
        assert tables["rows"].rows() == [(1, "x"), (2, "y")]
        assert await run.texts() == {"text": "**all**"}
        return run

    run = asyncio.run(use())
    assert run.url.startswith(prefect_api.removesuffix("/api"))
    assert until(lambda: logged(run, "that was 2024-06-28"), 30) == ["WARNING"]


def logged(run: Run, message: str) -> list[str]:
    """The levels of what said this. Logs are sent a moment after they are written."""
    found = asyncio.run(run.logs())
    assert found["time"].is_sorted()
    return found.filter(message=message)["level"].to_list()


def test_a_run_that_fails_says_why(deployment: str) -> None:
    async def use() -> None:
        run = await start(deployment, {"day": "2024-06-28", "fails": True})
        with pytest.raises(FatalError, match=r"ended as Failed: .*as it was asked to.*await run\.logs\(\)"):
            await run.wait(timedelta(minutes=4))

    asyncio.run(use())


def test_a_run_that_does_not_end_in_time_can_be_waited_for_again(deployment: str) -> None:
    async def use() -> None:
        run = await start(deployment, {"day": "2024-06-28"})
        with pytest.raises(TransientError, match=r"The run .* is .* after 0:00:00\.1"):
            await run.wait(timedelta(seconds=0.1))
        async with get_client() as client:
            await client.set_flow_run_state(run.id, Cancelled(message="by hand"), force=True)
        with pytest.raises(FatalError, match="ended as Cancelled: by hand"):
            await run.wait(timedelta(minutes=1))

    asyncio.run(use())


def test_a_run_that_is_deleted_is_told(deployment: str) -> None:
    async def use() -> None:
        run = await start(deployment, {"day": "2024-06-28"})
        async with get_client() as client:
            await client.delete_flow_run(run.id)
        with pytest.raises(FatalError, match="somebody deleted it"):
            await run.wait()

    asyncio.run(use())


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("ad-hoc/nobody", {}, r"There is no deployment 'ad-hoc/nobody'\. There are: .*ad-hoc/for-tests"),
        ("ad-hoc", {}, r"There is no deployment 'ad-hoc'\. There are: .*ad-hoc/for-tests"),
        ("ad-hoc/for-tests", {"dya": 1}, "ad-hoc/for-tests has no parameter dya. It has: day, fails."),
        ("ad-hoc/for-tests", {"day": "2024-06-28", "fails": "?"}, "was not started.*'fails'"),
    ],
)
def test_what_cannot_be_started_is_told(deployment: str, name: str, parameters: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        asyncio.run(start(name, parameters))


@pytest.mark.parametrize("run", [uuid4(), "Tuesday's"])
def test_a_run_that_is_not_there_is_told(prefect_api: str, run: object) -> None:
    with pytest.raises(ConfigurationError, match="There is no run"):
        asyncio.run(find(str(run)))


def test_an_api_that_is_away_is_told() -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(TransientError, match=f"The Prefect API at {url}"):
        asyncio.run(start("ad-hoc/for-tests"))


def test_no_api_is_told() -> None:
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(ConfigurationError, match="PREFECT_API_URL is not set"),
    ):
        asyncio.run(start("ad-hoc/for-tests"))


def test_a_dataset_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_LAKE_URL", str(tmp_path))
    row = {
        "code": "AAPL.US", "date": date(2024, 6, 28), "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0,
        "adjusted_close": 1.0, "volume": 1, "fetched_at": datetime(2024, 6, 29, tzinfo=UTC),
    }  # fmt: skip
    frame = pl.DataFrame([row], schema=PRICES.polars_schema)
    open_lake(str(tmp_path)).update(PRICES, "year=2024/shard=0", lambda _: Change([frame], ()), "run")
    assert_frame_equal(dataset("prices").collect(), frame)
    assert_frame_equal(dataset("curated/prices").collect(), frame)
    assert dataset("quarantine/prices").collect().is_empty()
    with pytest.raises(ConfigurationError, match=r"There is no dataset 'price'.*raw/prices.*, prices,"):
        dataset("price")
