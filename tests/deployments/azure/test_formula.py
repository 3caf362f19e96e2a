"""The pool's formula, run by the evaluator of the local Batch service."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_batch_emulator import autoscale
from prefect_azure_batch.configuration.autoscale_formulas import Limits, pending_tasks
from tests.deployments.azure.arm.given import FULL, deployed

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
PERIOD = timedelta(seconds=30)


@dataclass(frozen=True)
class Pending:
    """$PendingTasks in samples of 30 seconds, the last one now; other variables have none."""

    values: Sequence[float]

    def samples(self, variable: str) -> Sequence[tuple[datetime, float]]:
        values = self.values if variable == "$PendingTasks" else []
        return [(NOW - PERIOD * (len(values) - 1 - i), value) for i, value in enumerate(values)]


def _nodes(pending: Sequence[float], **parameters: int) -> tuple[int, int, str]:
    pool = deployed({**FULL, **parameters}).one("Microsoft.Batch/batchAccounts/pools")
    formula = pool.properties["scaleSettings"]["autoScale"]["formula"]
    found = autoscale.run(formula, Pending(pending), NOW)
    return found.target_dedicated, found.target_low_priority, found.deallocation_option


COUNTS = st.integers(0, 9)


@given(st.lists(st.integers(0, 40), max_size=25), COUNTS.map(lambda n: n + 1), COUNTS, COUNTS)
def test_it_is_that_of_the_work_pool(pending: list[int], per_node: int, dedicated: int, spot: int) -> None:
    """The pool's one, and `pending-tasks` of prefect-azure-batch, which makes pools by itself."""
    own = autoscale.run(pending_tasks(Limits(dedicated, spot, per_node)), Pending(pending), NOW)
    nodes = _nodes(pending, runsPerNode=per_node, slotsPerNode=10, maxDedicatedNodes=dedicated, maxSpotNodes=spot)
    assert nodes == (own.target_dedicated, own.target_low_priority, own.deallocation_option)


@pytest.mark.parametrize(
    ("pending", "dedicated"),
    [(0, 0), (1, 1), (2, 1), (3, 2), (8, 4), (500, 4)],
    ids=["nothing waits", "one run", "a full node", "one more", "all nodes full", "more than there may be"],
)
def test_nodes_follow_the_runs_that_wait_and_run(pending: int, dedicated: int) -> None:
    assert _nodes([pending] * 20, runsPerNode=2, maxDedicatedNodes=4) == (dedicated, 0, "taskcompletion")


def test_the_pool_goes_to_zero_within_minutes() -> None:
    """A pause of seconds between two runs keeps their nodes; five minutes without a task keep none."""
    assert _nodes([2] * 20 + [0])[0] == 2
    assert _nodes([2] * 20 + [0] * 11)[0] == 0


def test_the_first_task_after_a_pause_has_its_nodes_at_once() -> None:
    assert _nodes([0] * 20 + [4], runsPerNode=2)[0] == 2


def test_few_samples_are_enough() -> None:
    assert _nodes([7], runsPerNode=1, maxDedicatedNodes=9)[0] == 7


def test_spot_nodes_come_on_top_of_dedicated_ones() -> None:
    assert _nodes([10] * 20, runsPerNode=1, maxDedicatedNodes=2, maxSpotNodes=5)[:2] == (2, 5)
    assert _nodes([4] * 20, runsPerNode=1, maxDedicatedNodes=2, maxSpotNodes=5)[:2] == (2, 2)
    assert _nodes([4] * 20, runsPerNode=1, maxDedicatedNodes=0, maxSpotNodes=5)[:2] == (0, 4)
    assert _nodes([0] * 20, runsPerNode=4, maxDedicatedNodes=2, maxSpotNodes=5)[:2] == (0, 0)


def test_a_node_is_never_expected_to_run_more_than_it_has_slots_for() -> None:
    assert _nodes([8] * 20, runsPerNode=100, slotsPerNode=4)[0] == 2
