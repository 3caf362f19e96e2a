"""What is new between two looks at a task."""

import asyncio
from contextlib import closing
from uuid import uuid4

import pytest
from azure.batch import models

from prefect_azure_batch.observation.observed_task import ObservedTask
from prefect_azure_batch.service.identifiers import Infrastructure

NODE = {"nodeId": "n1"}


def task(state: str, node: str | None = None, start: int | None = None) -> models.BatchTask:
    info: dict[str, object] = {"retryCount": 0, "requeueCount": 0}
    if start:
        info["startTime"] = f"2026-01-01T00:00:{start:02d}Z"
    fields = {"id": "t", "state": state, "executionInfo": info}
    return models.BatchTask(fields | ({"nodeInfo": {"nodeId": node}} if node else {}))


@pytest.mark.parametrize(
    ("looks", "changes"),
    [
        ([task("active")], [{"waiting"}]),
        ([task("active"), task("active")], [{"waiting"}, set()]),
        ([task("active"), task("running", "n1", 1)], [{"waiting"}, {"running"}]),
        ([task("running", "n1", 1), task("active")], [{"running"}, {"waiting", "requeued"}]),
        # Between two polls it was requeued and runs again: on another node, or since another moment.
        ([task("running", "n1", 1), task("running", "n2", 9)], [{"running"}, {"requeued"}]),
        ([task("running", "n1", 1), task("running", "n1", 9)], [{"running"}, {"requeued"}]),
        ([task("preparing", "n1"), task("running", "n1", 1)], [{"preparing"}, {"running"}]),
        ([task("active"), task("completed", "n1", 1)], [{"waiting"}, {"ended"}]),
        ([task("COMPLETED", "n1", 1)], [{"ended"}]),
    ],
)
def test_what_is_new(looks, changes):
    with closing(asyncio.new_event_loop()) as loop:
        result = loop.create_future()
        observed = ObservedTask(
            Infrastructure("h", "j", "t"), uuid4(), "p", grace=1, stream=False, registered=0, result=result
        )
    assert [observed.look(look, now) for now, look in enumerate(looks)] == changes
    assert observed.requeues == sum("requeued" in new for new in changes)
