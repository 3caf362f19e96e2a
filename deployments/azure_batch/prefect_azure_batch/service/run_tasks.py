"""The tasks of flow runs in the jobs of a work pool, by run and attempt."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from batch_launcher.attempts import parse_task_id
from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.diagnosis import lower
from prefect_azure_batch.service.errors import Refused
from prefect_azure_batch.service.identifiers import Infrastructure

if TYPE_CHECKING:
    from azure.batch import models

    Tasks = dict[int, tuple[Infrastructure, models.BatchTask]]  # of a run, by attempt


async def living_tasks(service: BatchService, jobs: Iterable[str]) -> "dict[UUID, Tasks]":
    """Those in the jobs that have not ended, by their runs."""
    return await _tasks(service, jobs, "state ne 'completed'")


async def tasks_of(service: BatchService, jobs: Iterable[str], run: UUID) -> "Tasks":
    """Those of one run in the jobs, ended or not."""
    return (await _tasks(service, jobs, f"startswith(id,'{run}-')")).get(run, {})


async def task_at(service: BatchService, place: Infrastructure) -> "Tasks":
    task = await service.get_task(place.job, place.task, seconds=30)
    parsed = parse_task_id(place.task)
    return {parsed[1]: (place, task)} if task and parsed else {}


def has_ended(task: "models.BatchTask") -> bool:
    return lower(task.state) == "completed"


async def _tasks(service: BatchService, jobs: Iterable[str], condition: str) -> "dict[UUID, Tasks]":
    found: dict[UUID, Tasks] = {}
    for job in jobs:
        try:
            tasks = await service.list_tasks(job, condition, seconds=30)
        except Refused as refusal:
            if refusal.code != "JobNotFound":
                raise
            continue
        for task in tasks:
            if parsed := parse_task_id(task.id):
                place = Infrastructure(service.host, job, task.id)
                found.setdefault(parsed[0], {})[parsed[1]] = place, task
    return found
