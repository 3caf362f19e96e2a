"""All checks, in the order in which they would stop a run."""

from collections.abc import Awaitable

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import PrefectHTTPStatusError

from prefect_azure_batch.configuration.defaults import read_work_pool, validated
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.doctor import account, image, nodes, run, work_pool
from prefect_azure_batch.doctor.finding import Finding, failed, passed
from prefect_azure_batch.service.client import BatchService, open_service
from prefect_azure_batch.service.errors import AzureBatchError, ConfigurationError
from prefect_azure_batch.service.retry import RetryPolicy

_SECONDS = 20  # for one question to the service, repetitions included


async def examine(name: str) -> list[Finding]:
    """All findings about the work pool, in the order in which they would stop a run. Changes nothing."""
    async with get_client() as client:
        try:
            version = await client.api_version()
            pool = await read_work_pool(client, name)
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            return [_no_prefect(client, error)]
        except ConfigurationError as error:
            return [passed("Prefect API", str(client.api_url)), failed("Work pool", str(error), "Name another one.")]
        findings = [passed("Prefect API", f"{client.api_url}, version {version}")]
        if pool is None:
            advice = f"prefect-azure-batch set --pool {name} --create"
            return [*findings, failed("Work pool", f"There is none of the name {name}.", advice)]
        return findings + await _examine(client, pool)


async def _examine(client: PrefectClient, pool: WorkPool) -> list[Finding]:
    findings = work_pool.look_at(pool)
    findings.append(await work_pool.workers(client, pool))
    try:
        configuration = await validated(client, pool.base_job_template)
    except ConfigurationError as error:
        advice = f"prefect-azure-batch set --pool {pool.name} NAME=VALUE"
        return [*findings, failed("Variables", str(error), advice)]
    findings.append(passed("Variables", "The defaults are valid."))
    findings += run.look_at(configuration, str(client.api_url))
    findings += await _batch(configuration, pool)
    findings += await image.look_at(configuration)
    findings.append(await work_pool.deployments(client, pool, configuration.image))
    findings.append(await work_pool.storage(client, pool))
    return findings


async def _batch(configuration: AzureBatchJobConfiguration, pool: WorkPool) -> list[Finding]:
    credentials = configuration.credentials
    if credentials is None:
        advice = f"prefect-azure-batch set --pool {pool.name} credentials=BLOCK"
        return [failed("Credentials", "The work pool names no block.", advice)]
    service = open_service(credentials.endpoint, credentials.get_credential(), RetryPolicy(_SECONDS, first=1))
    try:
        reached = await account.look_at(service, credentials)
        if reached.result == "failed":
            return [reached]
        return [reached, *await _service(service, configuration, pool)]
    finally:
        await service.close()


async def _service(service: BatchService, configuration: AzureBatchJobConfiguration, pool: WorkPool) -> list[Finding]:
    findings = await _careful("Jobs", account.jobs(service, pool))
    return findings + await _careful("Batch pool", nodes.look_at(service, configuration))


async def _careful(check: str, looking: Awaitable[list[Finding]]) -> list[Finding]:
    """A service that does not answer any longer is a finding, too."""
    try:
        return await looking
    except AzureBatchError as error:
        return [failed(check, str(error), "Try again; see the account in the Azure portal.")]


def _no_prefect(client: PrefectClient, error: Exception) -> Finding:
    words = f"{client.api_url}: {type(error).__name__}: {error}".splitlines()[0]
    return failed("Prefect API", words, "Start the server, or set PREFECT_API_URL and PREFECT_API_KEY.")
