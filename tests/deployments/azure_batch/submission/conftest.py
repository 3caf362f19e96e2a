"""An emulator for the tests of a module, which each find without faults; a module may have one of its own."""

import pytest

from azure_batch_emulator.running_emulator import running_emulator
from tests.deployments.azure_batch.stage import create_pool


@pytest.fixture(scope="module")
def running():
    with running_emulator(speed=60) as emulator:
        create_pool(emulator, nodes=1)
        yield emulator


@pytest.fixture
def emulator(running):
    running.admin("calls", method="DELETE")
    running.admin("quotas", {"active_jobs_and_schedules": 100})
    yield running
    running.clear()
