"""The named autoscale formulas on the emulator's clock: up with the work, no task cut off, and down to zero nodes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from azure.batch import BatchClient, models

from azure_batch_emulator.running_emulator import Emulator, running_emulator
from prefect_azure_batch.configuration.autoscale_formulas import FORMULAS, Limits

LIMITS = Limits(dedicated=3, spot=4, tasks_per_node=2)


@dataclass
class Pool:
    """A pool with a formula, whose time the test moves. `most` is the most nodes it has had, dedicated and spot."""

    emulator: Emulator
    client: BatchClient
    id: str
    most: tuple[int, int] = (0, 0)
    tasks: list[str] = field(default_factory=list)

    def add(self, count: int, seconds: int) -> None:
        new = [f"t{len(self.tasks) + n}" for n in range(count)]
        self.tasks += new
        command = f"simulate --seconds {seconds}"
        group = [models.BatchTaskCreateOptions(id=name, command_line=command) for name in new]
        self.client.create_task_collection(self.id, models.BatchTaskGroup(task_values=group))

    def advance(self, minutes: int) -> None:
        """In steps of the formulas' interval, after each of which the number of nodes is looked at."""
        for _ in range(minutes // 5):
            self.emulator.advance("PT5M")
            self.most = tuple(map(max, self.most, self.nodes()))  # type: ignore[assignment]

    def nodes(self) -> tuple[int, int]:
        found = self.client.get_pool(self.id)
        return found.current_dedicated_nodes or 0, found.current_low_priority_nodes or 0

    def requeued(self) -> int:
        return sum((t.execution_info.requeue_count or 0) if t.execution_info else 0 for t in self.all_tasks())

    def completed(self) -> int:
        return sum(task.state == models.BatchTaskState.COMPLETED for task in self.all_tasks())

    def all_tasks(self) -> list[models.BatchTask]:
        return list(self.client.list_tasks(self.id))


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with running_emulator(speed=0, executor="simulated", dedicated_cores=1000) as found:
        yield found


@pytest.fixture
def client(emulator: Emulator) -> Iterator[BatchClient]:
    with emulator.client() as found:
        yield found


@pytest.fixture(autouse=True)
def no_pool_is_left(client: BatchClient) -> Iterator[None]:
    """Each costs time with every step of the clock."""
    yield
    for found in client.list_pools():
        client._delete_pool_internal(found.id)


def pool(emulator: Emulator, client: BatchClient, name: str, formula: str, limits: Limits = LIMITS) -> Pool:
    machine = models.VirtualMachineConfiguration(
        image_reference=models.BatchVmImageReference(publisher="microsoft-dsvm", offer="ubuntu-hpc", sku="2204"),
        node_agent_sku_id="batch.node.ubuntu 22.04",
    )
    client.create_pool(
        models.BatchPoolCreateOptions(
            id=name,
            vm_size="STANDARD_D2S_V5",
            virtual_machine_configuration=machine,
            task_slots_per_node=limits.tasks_per_node,
            enable_auto_scale=True,
            auto_scale_formula=FORMULAS[formula](limits),
            auto_scale_evaluation_interval=timedelta(minutes=5),
        )
    )
    client.create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id=name)))
    return Pool(emulator, client, name)


@pytest.mark.parametrize("formula", FORMULAS)
def test_nodes_come_with_the_work_and_go_to_zero(emulator: Emulator, client: BatchClient, formula: str) -> None:
    until_a_night(emulator)
    found = pool(emulator, client, f"life-{formula}", formula)
    found.advance(10)
    assert found.nodes() == (0, 0)
    found.add(5, seconds=1200)
    found.advance(60)
    assert (found.completed(), found.requeued()) == (5, 0)
    assert sum(found.most) == 3  # two tasks on each of two nodes, and one on the third
    assert found.nodes() == (0, 0)


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_running_task_is_cut_off_when_nodes_become_too_many(
    emulator: Emulator, client: BatchClient, formula: str
) -> None:
    until_a_night(emulator)
    found = pool(emulator, client, f"ends-{formula}", formula)
    found.add(6, seconds=300)
    found.add(1, seconds=7200)
    found.advance(80)
    assert sum(found.most) == 4
    # The node of the long task, and the dedicated one that spot nodes are given beside them.
    assert 1 <= sum(found.nodes()) <= (2 if formula == "spot-with-floor" else 1)
    assert found.completed() == 6
    found.advance(80)
    assert (found.completed(), found.requeued(), found.nodes()) == (7, 0, (0, 0))


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_limits_hold(emulator: Emulator, client: BatchClient, formula: str) -> None:
    found = pool(emulator, client, f"many-{formula}", formula)
    found.add(90, seconds=600)
    found.advance(40)
    dedicated, spot = found.most
    assert dedicated <= LIMITS.dedicated
    assert spot == LIMITS.spot


def test_dedicated_nodes_come_before_spot_nodes(emulator: Emulator, client: BatchClient) -> None:
    found = pool(emulator, client, "order", "pending-tasks")
    found.add(8, seconds=1200)
    found.advance(15)
    assert found.nodes() == (3, 1)


def test_a_node_stands_by_in_working_hours_alone(emulator: Emulator, client: BatchClient) -> None:
    until(emulator, lambda now: now.isoweekday() == 5 and now.hour == 4)
    found = pool(emulator, client, "standby", "working-hours")
    found.advance(30)
    assert found.nodes() == (0, 0)
    until(emulator, lambda now: now.hour == 7)
    assert found.nodes() == (1, 0)
    until(emulator, lambda now: now.hour == 19)
    assert found.nodes() == (0, 0)
    until(emulator, lambda now: now.isoweekday() == 6 and now.hour == 12)
    assert found.nodes() == (0, 0)


def test_dedicated_nodes_stand_in_for_preempted_ones(emulator: Emulator, client: BatchClient) -> None:
    found = pool(emulator, client, "spot", "spot-with-floor")
    found.add(8, seconds=7200)
    found.advance(15)
    assert found.nodes() == (1, 3)
    # Preempted, a node comes back after five minutes: until then another is there in its place.
    emulator.advance("PT3M")  # so that the formula is evaluated amid them
    spot = [node for node in client.list_nodes("spot") if not node.is_dedicated]
    for node in spot[:2]:
        emulator.admin(f"nodes/spot/{node.id}/preempt", method="POST")
    found.advance(10)
    assert found.most[0] >= 2
    found.advance(240)
    assert found.completed() == 8
    assert found.nodes() == (0, 0)


def until_a_night(emulator: Emulator) -> None:
    until(emulator, lambda now: 19 <= now.hour <= 21)


def until(emulator: Emulator, holds: Callable[[datetime], bool]) -> None:
    """Moves the time by as many whole hours as it takes."""
    now = now_of(emulator)
    hours = next(hours for hours in range(24 * 8) if holds(now + timedelta(hours=hours)))
    emulator.advance(f"PT{hours}H")


def now_of(emulator: Emulator) -> datetime:
    return datetime.fromisoformat(emulator.admin("state")["now"]).astimezone(UTC)
