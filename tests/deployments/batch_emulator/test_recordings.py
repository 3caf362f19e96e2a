"""53 calls recorded from the real service, replayed: the same status, the same shape of the body, the same headers."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from azure_batch_emulator.running_emulator import Emulator, running_emulator
from tests.beside import BESIDE
from tests.deployments.batch_emulator.signing import SharedKey

RECORDINGS = BESIDE / "azure_batch" / "recordings.json"
HEADERS = ("ETag", "Last-Modified", "DataServiceId", "Location", "Content-Type", "request-id", "DataServiceVersion")
STATES = ("state", "allocationState")

# Recorded in 2022, with API version 2022-01-01; what is left of differences, and why.
DIFFERENCES = {
    "certificateReferences": "certificates are gone from version 2025-06-01",
    "batchSupportEndOfLife": "only an image has it whose end is known",
    "ipv6Address": "required since, as the example of version 2025-06-01 shows",
    "...": "the recording itself was shortened here",
}


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    if not RECORDINGS.exists():
        pytest.skip("the recordings are not beside the project")
    recorded: list[dict[str, Any]] = json.loads(RECORDINGS.read_text())["entries"]
    return recorded


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with running_emulator(speed=0, executor="simulated") as running:
        yield running


def test_the_recordings(entries, emulator) -> None:
    found = []
    with httpx.Client(auth=SharedKey(emulator.account, emulator.key), trust_env=False, timeout=30) as http:
        for number, entry in enumerate(entries):
            request, recorded = entry["request"], entry["response"]
            answer = emulator.advance_until(lambda e=entry: matching(http, emulator.endpoint, e), step="PT5S")
            where = f"{number} {request['method']} {request['url'].partition('?')[0]}"
            found += [f"{where}: {difference}" for difference in differences(recorded, answer)]
    assert found == []
    assert len(entries) == 53


def matching(http: httpx.Client, endpoint: str, entry: dict[str, Any]) -> httpx.Response | None:
    """The answer; for a GET None until the resource has come to the recorded state."""
    request = entry["request"]
    path = request["url"].partition("?")[0]
    body = None if request["body"] is None else json.dumps(request["body"])
    headers = {"Content-Type": request["headers"].get("Content-Type", "")} if body else {}
    url = f"{endpoint}{path}?api-version=2025-06-01"
    answer = http.request(request["method"], url, content=body, headers=headers)
    recorded = entry["response"]["body"]
    if request["method"] != "GET" or answer.status_code != 200:
        return answer
    return answer if states(answer.json()) == states(recorded) else None


def states(body: dict[str, Any]) -> list[Any]:
    items = body["value"] if isinstance(body.get("value"), list) else [body]
    return [tuple(item.get(name) for name in STATES) for item in items if any(name in item for name in STATES)]


def differences(recorded: dict[str, Any], answer: httpx.Response) -> Iterator[str]:
    if recorded["status"] != answer.status_code:
        yield f"status {answer.status_code} instead of {recorded['status']}: {answer.text[:300]}"
        return
    if recorded["reason"] != answer.reason_phrase:
        yield f"reason {answer.reason_phrase!r} instead of {recorded['reason']!r}"
    for name in HEADERS:
        if (name in recorded["headers"]) != (name in answer.headers):
            yield f"header {name}: recorded {recorded['headers'].get(name)}, here {answer.headers.get(name)}"
    if (recorded["body"] is None) != (not answer.content):
        yield f"body {answer.text[:200]!r}"
    elif recorded["body"] is not None:
        yield from shape(recorded["body"], answer.json(), "")


def shape(recorded: Any, ours: Any, path: str) -> Iterator[str]:
    """Where keys or types differ; a list is compared by its first item."""
    if type(recorded) is not type(ours):
        yield f"{path}: {type(ours).__name__} instead of {type(recorded).__name__}"
    elif isinstance(recorded, dict):
        for key in sorted(recorded.keys() ^ ours.keys()):
            if key not in DIFFERENCES:
                yield f"{path}.{key}: only {'recorded' if key in recorded else 'here'}"
        for key in recorded.keys() & ours.keys():
            yield from shape(recorded[key], ours[key], f"{path}.{key}")
    elif isinstance(recorded, list) and recorded and "..." not in recorded[-1]:
        if len(recorded) != len(ours):
            yield f"{path}: {len(ours)} items instead of {len(recorded)}"
        for pair in zip(recorded, ours, strict=False):
            yield from shape(*pair, f"{path}[]")
    elif isinstance(recorded, list) and recorded:
        yield from shape(recorded[0], ours[0], f"{path}[]")
