"""Pools, jobs and tasks for tests that go through the SDK."""

import time
from collections.abc import Callable
from typing import Any

from azure.batch import BatchClient, models

PATIENCE = 60


def make_pool(
    client: BatchClient,
    pool_id: str = "p1",
    *,
    nodes: int = 1,
    spot: int = 0,
    slots: int = 1,
    containers: models.BatchContainerConfiguration | None = None,
) -> None:
    client.create_pool(
        models.BatchPoolCreateOptions(
            id=pool_id,
            vm_size="standard_d2s_v3",
            virtual_machine_configuration=models.VirtualMachineConfiguration(
                image_reference=models.BatchVmImageReference(publisher="canonical", offer="jammy", sku="22_04-lts"),
                node_agent_sku_id="batch.node.ubuntu 22.04",
                container_configuration=containers,
            ),
            target_dedicated_nodes=nodes,
            target_low_priority_nodes=spot,
            task_slots_per_node=slots,
        )
    )


def make_job(client: BatchClient, job_id: str = "j1", pool_id: str = "p1") -> None:
    client.create_job(models.BatchJobCreateOptions(id=job_id, pool_info=models.BatchPoolInfo(pool_id=pool_id)))


def make_task(client: BatchClient, task_id: str, command_line: str, job_id: str = "j1", **more: Any) -> None:
    client.create_task(job_id, models.BatchTaskCreateOptions(id=task_id, command_line=command_line, **more))


def await_true(condition: Callable[[], Any]) -> Any:
    """Asks until it is true, and returns that."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not true after {PATIENCE} s"
        time.sleep(0.05)
    return found


def await_state(client: BatchClient, task_id: str, state: str = "completed", job_id: str = "j1") -> models.BatchTask:
    def reached() -> models.BatchTask | None:
        task = client.get_task(job_id, task_id)
        return task if task.state == state else None

    found: models.BatchTask = await_true(reached)
    return found
