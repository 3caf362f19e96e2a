"""Where orphans are, and how their runs are to be treated: by the work pool, or by their own deployment."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound

from prefect_azure_batch.account import Account
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.credentials import AzureBatchCredentials
from prefect_azure_batch.service.run_tasks import living_tasks

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from prefect_azure_batch.service.run_tasks import Tasks

# What matters of a task that is there already.
_TREATMENT = frozenset({"credentials", "pool_id", "cancel_grace", "stream_output"})


class OrphanAccounts:
    """For one reconciliation: asks once for each deployment and for each treatment, not for each run."""

    def __init__(
        self,
        client: PrefectClient,
        template: Mapping[str, Any],
        account_of: Callable[[AzureBatchCredentials], Account],
    ) -> None:
        """`template` is the work pool's base job template."""
        self._client, self._template, self.account_of = client, template, account_of
        self._variables: dict[UUID, dict[str, Any]] = {}
        self._configurations: dict[str, AzureBatchJobConfiguration] = {}
        self._jobs: dict[str, list[str]] = {}
        self._living: dict[str, dict[UUID, Tasks]] = {}

    async def default(self) -> AzureBatchJobConfiguration:
        """The configuration of a run that overrides nothing."""
        return await self._configuration({})

    async def of(self, run: "FlowRun") -> tuple[Account, AzureBatchJobConfiguration]:
        """Raises ValueError when the run has no credentials, and what Prefect's client raises."""
        variables = await self._of_deployment(run) | (run.job_variables or {})
        own = {name: value for name, value in variables.items() if name.partition(".")[0] in _TREATMENT}
        configuration = await self._configuration(own)
        if configuration.credentials is None:
            raise ValueError(f"flow run {run.id} has no credentials block")
        return self.account_of(configuration.credentials), configuration

    async def jobs(self, account: Account) -> list[str]:
        """All of the work pool in this account."""
        host = account.service.host
        if host not in self._jobs:
            self._jobs[host] = [
                job.id for job in await account.service.list_jobs(account.job_rotation.prefix, seconds=30)
            ]
        return self._jobs[host]

    async def living(self, account: Account) -> "dict[UUID, Tasks]":
        """The work pool's tasks in this account that have not ended, by their runs."""
        host = account.service.host
        if host not in self._living:
            self._living[host] = await living_tasks(account.service, await self.jobs(account))
        return self._living[host]

    async def _of_deployment(self, run: "FlowRun") -> dict[str, Any]:
        deployment = run.deployment_id
        if deployment is None:
            return {}
        if deployment not in self._variables:
            try:
                found = await self._client.read_deployment(deployment)
            except ObjectNotFound:  # deleted since; the task is still there
                self._variables[deployment] = {}
            else:
                self._variables[deployment] = found.job_variables or {}
        return self._variables[deployment]

    async def _configuration(self, variables: dict[str, Any]) -> AzureBatchJobConfiguration:
        key = json.dumps(variables, sort_keys=True, default=str)
        if key not in self._configurations:
            self._configurations[key] = await AzureBatchJobConfiguration.from_template_and_values(
                dict(self._template), variables, client=self._client
            )
        return self._configurations[key]
