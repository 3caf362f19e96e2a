"""What was set in Prefect's UI and what `prefect deploy` makes of it, on a real server."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.local.choices import kept_choices
from tests.deployments.deployed import WORK_POOL, deploy, work_pool

CRON = {"cron": "15 3 * * 0", "timezone": "Europe/Berlin"}


@pytest.fixture
def api(prefect_api: str) -> Iterator[httpx.Client]:
    work_pool(prefect_api)
    with httpx.Client(base_url=prefect_api, timeout=60) as client:
        yield client
        for one in deployed(client).values():
            client.delete(f"/deployments/{one['id']}")
        client.delete(f"/work_pools/{WORK_POOL}")


def deployed(api: httpx.Client) -> dict[str, dict[str, Any]]:
    found = api.post("/deployments/filter", json={}).json()
    return {one["name"]: one for one in found if one["work_pool_name"] == WORK_POOL}


def crons(deployment: dict[str, Any]) -> set[tuple[str, bool]]:
    return {(one["schedule"]["cron"], one["active"]) for one in deployment["schedules"]}


def test_a_restart_keeps_what_was_set_in_the_ui(api: httpx.Client, tmp_path: Path) -> None:
    def start() -> list[str]:
        with kept_choices(str(api.base_url), tmp_path / "deployed.json") as kept:
            deploy("--name", "daily", "--name", "nightly", "--name", "weekly", api=str(api.base_url).rstrip("/"))
        return kept

    assert start() == []
    daily, nightly, weekly = (deployed(api)[name] for name in ("daily", "nightly", "weekly"))
    api.post(f"/deployments/{daily['id']}/schedules", json=[{"active": True, "schedule": CRON}]).raise_for_status()
    off = f"/deployments/{nightly['id']}/schedules/{nightly['schedules'][0]['id']}"
    api.patch(off, json={"active": False}).raise_for_status()
    api.patch(f"/deployments/{daily['id']}", json={"parameters": {"lag_days": 5}}).raise_for_status()

    for _ in range(2):
        assert daily["id"] in start()  # a schedule that is switched off Prefect keeps by itself
        assert crons(deployed(api)["daily"]) == {("0 21 * * 1-5", True), ("15 3 * * 0", True)}
        assert crons(deployed(api)["nightly"]) == {("30 2 * * *", False)}
        assert deployed(api)["daily"]["parameters"] == {"lag_days": 5}
        assert crons(deployed(api)["weekly"]) == crons(weekly)


def test_a_deploying_that_fails_keeps_it_too(api: httpx.Client, tmp_path: Path) -> None:
    """Half of it was done, so this is kept now, and at the start that succeeds."""
    server = str(api.base_url).rstrip("/")
    with kept_choices(server, tmp_path / "deployed.json"):
        deploy("--name", "daily", api=server)
    daily = deployed(api)["daily"]["id"]
    api.patch(f"/deployments/{daily}", json={"parameters": {"lag_days": 5}}).raise_for_status()
    with suppress(KeyboardInterrupt), kept_choices(server, tmp_path / "deployed.json"):
        deploy("--name", "daily", api=server)
        raise KeyboardInterrupt
    assert deployed(api)["daily"]["parameters"] == {"lag_days": 5}
    with kept_choices(server, tmp_path / "deployed.json") as kept:
        deploy("--name", "daily", api=server)
    assert kept == [daily]
    assert deployed(api)["daily"]["parameters"] == {"lag_days": 5}
