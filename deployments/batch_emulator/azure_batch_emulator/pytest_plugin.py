"""Fixtures for pytest, there where the emulator is installed: a Batch account of a test's own, its clock and faults.

@pytest.mark.batch_emulator(speed=0)
def test_a_preempted_node_leaves(batch_account, batch_controls):
    with batch_account.client() as client:
        ...
    batch_controls.inject("node_preempted", times=1)
    batch_controls.advance("PT10M")
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from azure_batch_emulator.running_emulator import Controls, Emulator

_MARKER = (
    "batch_emulator(speed=60, executor='simulated', seed=0, **options): how the emulator of batch_account is started; "
    "the options are those of azure-batch-emulator's command line, as pools=1"
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def batch_account(request: pytest.FixtureRequest) -> Iterator["Emulator"]:
    """A Batch account of this test alone: endpoint, account, key, the SDK's clients. A second is a minute in it."""
    # pytest imports this module in each run, and most have no use for the SDK and an HTTP client.
    from azure_batch_emulator.running_emulator import running_emulator  # noqa: PLC0415

    options: dict[str, Any] = {"speed": 60}
    for marker in reversed(list(request.node.iter_markers("batch_emulator"))):  # the closest has the last word
        options |= marker.kwargs
    with running_emulator(**options) as emulator:
        yield emulator


@pytest.fixture
def batch_controls(batch_account: "Emulator") -> "Controls":
    """Clock and faults of the test's `batch_account`: `advance`, `inject`, `clear`."""
    return batch_account
