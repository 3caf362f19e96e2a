"""The runs that the server's own scheduler makes for each schedule of `prefect.yaml`, over a whole year."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml

from tests.deadline import until
from tests.deployments.deployed import deploy, work_pool
from tests.servers.prefect_server import check_log, prefect_server

NEW_YORK = ZoneInfo("America/New_York")
FILE = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text(encoding="utf-8"))
SCHEDULED = {entry["name"] for entry in FILE["deployments"] if "schedules" in entry}
YEAR = timedelta(days=370)  # both changes of daylight saving time are in it
WEEKDAYS = range(5)
# When, and on which days of the week, as prefect.yaml's descriptions say it.
EXPECTED: dict[str, tuple[time, range]] = {
    "weekly": (time(6), range(5, 6)),
    "daily": (time(21), WEEKDAYS),
    "landing": (time(7), WEEKDAYS),
    "nightly": (time(2, 30), range(7)),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The API of a server whose scheduler looks ahead for a year."""
    home = tmp_path_factory.mktemp("schedules")
    ahead = {
        "services_scheduler_loop_seconds": 2,
        "services_scheduler_min_scheduled_time": f"P{YEAR.days}D",
        "services_scheduler_max_scheduled_time": f"P{YEAR.days + 30}D",
        "services_scheduler_max_runs": 500,
    }
    with prefect_server(home, **ahead) as url, httpx.Client(base_url=url, timeout=60) as client:
        work_pool(url)
        deploy("--all", api=url)
        yield client
    check_log(home / "server.log")


def test_each_schedule_is_expected_here() -> None:
    assert EXPECTED.keys() == SCHEDULED


@pytest.mark.parametrize("name", EXPECTED)
def test_the_scheduler_makes_its_runs(api: httpx.Client, name: str) -> None:
    at, weekdays = EXPECTED[name]
    begin = datetime.now(NEW_YORK)
    found = until(lambda: scheduled(api, name, until=begin + YEAR), 240, every=1)
    assert all(run["auto_scheduled"] and run["created_by"]["type"] == "SCHEDULE" for run in found)
    moments = [datetime.fromisoformat(run["expected_start_time"]).astimezone(NEW_YORK) for run in found]
    days = [day for day in days_from(begin.date()) if day.weekday() in weekdays]
    expected = [moment(day, at) for day in days]
    expected = [m for m in expected if begin < m <= moments[-1]]
    assert moments == expected
    assert len({m.utcoffset() for m in moments}) == 2  # in winter and in summer


def moment(day: date, at: time) -> datetime:
    """A time that the clocks leave out is that after the change."""
    return datetime.combine(day, at, NEW_YORK).astimezone(ZoneInfo("UTC")).astimezone(NEW_YORK)


def days_from(first: date) -> list[date]:
    return [first + timedelta(days=n) for n in range(YEAR.days + 40)]


def scheduled(api: httpx.Client, name: str, until: datetime) -> list[dict[str, Any]]:
    """All of them in their order, once they reach so far; else none."""
    found: list[dict[str, Any]] = []
    while True:
        asked = {
            "deployments": {"name": {"any_": [name]}},
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
            "sort": "EXPECTED_START_TIME_ASC",
            "offset": len(found),
        }
        page = api.post("/flow_runs/filter", json=asked).raise_for_status().json()
        found += page
        if not page:
            reach = datetime.fromisoformat(found[-1]["expected_start_time"]) if found else None
            return found if reach and reach >= until else []
