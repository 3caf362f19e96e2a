"""One scenario for both clients of the SDK: what the synchronous one returns and the asynchronous one promises."""

import gc
import inspect
from collections.abc import AsyncIterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from azure_batch_emulator.running_emulator import Emulator, running_emulator


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with running_emulator(speed=0) as running:
        yield running


@pytest.fixture
def emulator(server: Emulator) -> Iterator[Emulator]:
    yield server
    empty(server)


@pytest.fixture(params=("sync", "async"))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def either_client(emulator: Emulator, kind: str):
    """The client of a kind, closed at the end."""
    if kind == "sync":
        with emulator.client() as client:
            yield client
    else:
        async with emulator.aio_client() as client:
            yield client


async def get(result: Any) -> Any:
    """What a call of either client comes to; lists are complete, downloads are bytes."""
    if inspect.isawaitable(result):
        result = await result
    if isinstance(result, AsyncIterable):
        result = [item async for item in result]
    elif isinstance(result, Iterator):
        result = list(result)
    if isinstance(result, list) and result and all(isinstance(part, bytes) for part in result):
        return b"".join(result)
    return result


async def error_of(call: Any) -> tuple[int | None, str]:
    """Status and code of the error that a call of either client ends with; `call` takes no arguments."""
    with pytest.raises(HttpResponseError) as caught:
        await get(call())
    error = caught.value
    return error.status_code, "" if error.error is None else str(error.error.code)


def empty(emulator: Emulator) -> None:
    """Deletes all that a test left in an account whose time stands still."""
    with emulator.client() as client:
        schedules = [schedule.id for schedule in client.list_job_schedules(select=["id"])]
        jobs = [job.id for job in client.list_jobs(select=["id"])]
        pools = [pool.id for pool in client.list_pools(select=["id"])]
        for delete, names in (
            (client._delete_job_schedule_internal, schedules),
            (client._delete_job_internal, jobs),
            (client._delete_pool_internal, pools),
        ):
            for name in names:
                with suppress(HttpResponseError):
                    delete(name)
    emulator.advance("PT5M")
    # Connections that the SDK's pollers left open are told of here, not in whatever test comes next.
    gc.collect()
