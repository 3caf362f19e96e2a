"""Where orphans are, and how their runs are to be treated: by the work pool, or by their own deployment."""

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.exceptions import ObjectNotFound

from deployments.azure_batch.adoption import Orphan
from deployments.azure_batch.configuration import AzureBatchJobConfiguration
from deployments.azure_batch.site import Site

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from deployments.azure_batch.worker import AzureBatchWorker

# What matters of a task that is there already.
_TREATMENT = frozenset({"credentials", "pool_id", "cancel_grace", "stream_output"})


class Sites:
    """For one sweep: asks once for each deployment and for each treatment, not for each run."""

    def __init__(self, worker: "AzureBatchWorker") -> None:
        self._worker = worker
        self._variables: dict[UUID, dict[str, Any]] = {}
        self._configurations: dict[str, AzureBatchJobConfiguration] = {}
        self._jobs: dict[str, list[str]] = {}

    async def default(self) -> AzureBatchJobConfiguration:
        """Of a run that overrides nothing."""
        return await self._configuration({})

    async def of(self, orphan: Orphan) -> tuple[Site, AzureBatchJobConfiguration]:
        """Raises ValueError when the run has no credentials, and what Prefect's client raises."""
        variables = await self._of_deployment(orphan.run) | (orphan.run.job_variables or {})
        own = {name: value for name, value in variables.items() if name.partition(".")[0] in _TREATMENT}
        configuration = await self._configuration(own)
        if configuration.credentials is None:
            raise ValueError(f"flow run {orphan.run.id} has no credentials block")
        return self._worker.site(configuration.credentials), configuration

    async def jobs(self, site: Site) -> list[str]:
        """All of the work pool in this account."""
        host = site.service.host
        if host not in self._jobs:
            self._jobs[host] = [job.id for job in await site.service.list_jobs(site.book.prefix, seconds=30)]
        return self._jobs[host]

    async def _of_deployment(self, run: "FlowRun") -> dict[str, Any]:
        deployment = run.deployment_id
        if deployment is None:
            return {}
        if deployment not in self._variables:
            try:
                found = await self._worker.client.read_deployment(deployment)
            except ObjectNotFound:  # deleted since; the task is still there
                self._variables[deployment] = {}
            else:
                self._variables[deployment] = found.job_variables or {}
        return self._variables[deployment]

    async def _configuration(self, variables: dict[str, Any]) -> AzureBatchJobConfiguration:
        key = json.dumps(variables, sort_keys=True, default=str)
        if key not in self._configurations:
            template = self._worker.work_pool.base_job_template
            self._configurations[key] = await AzureBatchJobConfiguration.from_template_and_values(
                template, variables, client=self._worker.client
            )
        return self._configurations[key]
