"""A work pool on simulated nodes; a module whose tests need other ones has an `emulator` of its own."""

from collections.abc import Iterator

import pytest

from azure_batch_emulator.running_emulator import Emulator, running_emulator
from tests.deployments.azure_batch.stage import Stage, create_pool, make_stage


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with running_emulator(speed=30) as running:
        create_pool(running, nodes=2, slots=8)
        create_pool(running, "empty", nodes=0)
        yield running


@pytest.fixture
def stage(prefect_api: str, emulator: Emulator) -> Iterator[Stage]:
    yield make_stage(prefect_api, emulator)
    emulator.clear()
