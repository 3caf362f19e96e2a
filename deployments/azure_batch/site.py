"""All that a worker keeps for one account and one way to sign in: the service, its jobs, submissions and observer."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from deployments.azure_batch.clean_up import CleanUp
from deployments.azure_batch.client import BatchService, open_service
from deployments.azure_batch.credentials import AzureBatchCredentials
from deployments.azure_batch.identifiers import job_prefix
from deployments.azure_batch.jobs import JobBook
from deployments.azure_batch.observer import Observer
from deployments.azure_batch.retry import Patience
from deployments.azure_batch.runs import Runs
from deployments.azure_batch.settings import WorkerSettings
from deployments.azure_batch.submission import Submitter


@dataclass(frozen=True)
class Site:
    service: BatchService
    book: JobBook
    submitter: Submitter
    observer: Observer
    clean_up: CleanUp

    async def close(self) -> None:
        await self.observer.close()
        await self.submitter.close()
        await self.service.close()


def open_site(
    credentials: AzureBatchCredentials,
    runs: Runs,
    settings: WorkerSettings,
    logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]",
    work_pool: tuple[str, UUID],
) -> Site:
    """`work_pool` is its name and id. Nothing is asked of the service yet."""
    waits = (settings.retry_seconds, settings.longest_retry_seconds)
    service = open_service(credentials, Patience(settings.call_seconds, *waits))
    name, number = work_pool
    book = JobBook(
        service,
        job_prefix(name, number),
        name,
        tasks_per_job=settings.tasks_per_job,
        lifetime=timedelta(days=settings.days_per_job),
    )
    submitter = Submitter(service, book, Patience(settings.submission_seconds, *waits), settings.collection_seconds)
    clean_up = CleanUp(service, book.prefix, settings, logger)
    return Site(service, book, submitter, Observer(service, runs, settings, logger), clean_up)
