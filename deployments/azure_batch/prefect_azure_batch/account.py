"""All that a worker keeps for one account and one way to sign in: the service, its jobs, submissions and observer."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.credentials import AzureBatchCredentials
from prefect_azure_batch.observation.observer import Observer
from prefect_azure_batch.prefect_api.runs import PrefectRuns
from prefect_azure_batch.service.client import BatchService, open_service
from prefect_azure_batch.service.errors import ConfigurationError
from prefect_azure_batch.service.identifiers import job_prefix
from prefect_azure_batch.service.retry import RetryPolicy
from prefect_azure_batch.settings import WorkerSettings
from prefect_azure_batch.submission.job_rotation import JobRotation
from prefect_azure_batch.submission.task_queue import TaskQueue


@dataclass(frozen=True)
class Account:
    service: BatchService
    job_rotation: JobRotation
    task_queue: TaskQueue
    observer: Observer

    async def close(self) -> None:
        await self.observer.close()
        await self.task_queue.close()
        await self.service.close()


class Accounts:
    """Those that a worker has opened, each by `open_account` when it is first asked for."""

    def __init__(self, open_account: Callable[[AzureBatchCredentials], Account]) -> None:
        self._open = open_account
        self._accounts: dict[str, Account] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(list(self._accounts.values()))

    def of(self, credentials: AzureBatchCredentials) -> Account:
        key = str(sorted((name, _plain(getattr(credentials, name))) for name in AzureBatchCredentials.model_fields))
        if key not in self._accounts:
            self._accounts[key] = self._open(credentials)
        return self._accounts[key]

    def required(self, configuration: AzureBatchJobConfiguration) -> Account:
        """The account of a run. Raises ConfigurationError where there are no credentials."""
        if configuration.credentials is None:
            raise ConfigurationError(
                "credentials: no block is given. Create one of the type AzureBatchCredentials, and name it in the work"
                " pool or in the job variable credentials."
            )
        return self.of(configuration.credentials)

    def clear(self) -> list[Account]:
        """Those that there were, for whoever closes them."""
        accounts = list(self)
        self._accounts.clear()
        return accounts


def open_account(
    credentials: AzureBatchCredentials,
    runs: PrefectRuns,
    settings: WorkerSettings,
    logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]",
    work_pool: tuple[str, UUID],
) -> Account:
    """`work_pool` is its name and id. Nothing is asked of the service yet."""
    waits = (settings.retry_seconds, settings.longest_retry_seconds)
    retry_policy = RetryPolicy(settings.call_seconds, *waits)
    service = open_service(credentials.endpoint, credentials.get_credential(), retry_policy)
    name, number = work_pool
    job_rotation = JobRotation(
        service,
        job_prefix(name, number),
        name,
        tasks_per_job=settings.tasks_per_job,
        lifetime=timedelta(days=settings.days_per_job),
    )
    task_queue = TaskQueue(
        service, job_rotation, RetryPolicy(settings.submission_seconds, *waits), settings.collection_seconds
    )
    return Account(service, job_rotation, task_queue, Observer(service, runs, settings, logger))


def _plain(value: Any) -> str:  # noqa: ANN401
    return value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
