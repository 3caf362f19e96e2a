"""What users chose in the UI, parameters and schedules of deployments, is kept when `prefect.yaml` is deployed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

_OF_SCHEDULES = ("schedule", "active", "max_scheduled_runs", "parameters", "slug")
_PAGE = 200

Choices = dict[str, Any]  # of one deployment


@contextmanager
def kept_choices(api: str, memory: Path) -> Iterator[list[str]]:
    """Around a deploying. The list has, in the end, the ids of the deployments in which something was kept.

    A choice is what differs from what was deployed last, as the file remembers; without one, all that is there."""
    deployed = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    kept: list[str] = []
    with httpx.Client(base_url=api, timeout=60) as client:
        before = _read(client)
        try:
            yield kept
        finally:  # of a deploying that failed, some are deployed
            after = _read(client)
            for identity, chosen in before.items():
                if identity in after and chosen != after[identity] and chosen != deployed.get(identity):
                    _restore(client, identity, chosen, deployed.get(identity, {}))
                    kept.append(identity)
        memory.write_text(json.dumps(after), encoding="utf-8", newline="\n")


def _read(client: httpx.Client) -> dict[str, Choices]:
    found: dict[str, Choices] = {}
    while page := _page(client, len(found)):
        found |= {one["id"]: _choices(one) for one in page}
    return found


def _page(client: httpx.Client, offset: int) -> list[dict[str, Any]]:
    answer = client.post("/deployments/filter", json={"limit": _PAGE, "offset": offset, "sort": "CREATED_DESC"})
    page: list[dict[str, Any]] = answer.raise_for_status().json()
    return page


def _choices(deployment: dict[str, Any]) -> Choices:
    schedules = [{name: one.get(name) for name in _OF_SCHEDULES} for one in deployment["schedules"]]
    for one in schedules:
        one["schedule"].pop("anchor_date", None)  # which the server makes of the moment
    return {
        "parameters": deployment["parameters"],
        "paused": deployment["paused"],
        "schedules": sorted(schedules, key=lambda one: json.dumps(one, sort_keys=True)),
    }


def _restore(client: httpx.Client, identity: str, chosen: Choices, deployed: Choices) -> None:
    """Each kind by itself: what was not touched is as it was deployed."""
    plain = {n: chosen[n] for n in ("parameters", "paused") if chosen[n] != deployed.get(n)}
    if plain:
        client.patch(f"/deployments/{identity}", json=plain).raise_for_status()
    if chosen["schedules"] != deployed.get("schedules"):
        home = f"/deployments/{identity}/schedules"
        for one in client.get(home).raise_for_status().json():
            client.delete(f"{home}/{one['id']}").raise_for_status()
        if chosen["schedules"]:
            client.post(home, json=chosen["schedules"]).raise_for_status()
