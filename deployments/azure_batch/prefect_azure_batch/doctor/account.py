"""The Batch account: whether it answers, lets us in, and has room for jobs."""

from typing import TYPE_CHECKING

from prefect.client.schemas.objects import WorkPool

from prefect_azure_batch.credentials import AzureBatchCredentials
from prefect_azure_batch.doctor.finding import Finding, failed, passed, warning
from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.diagnosis import lower
from prefect_azure_batch.service.errors import AzureBatchError, Refused
from prefect_azure_batch.service.identifiers import job_prefix

if TYPE_CHECKING:
    from azure.batch.aio import BatchClient

_MANY = 80  # active jobs; the least quota of an account is 100


async def look_at(service: BatchService, credentials: AzureBatchCredentials) -> Finding:
    check = "Batch account"
    try:
        await service.list_jobs("no-such-job-", seconds=10)
    except Refused as refusal:
        advice = (
            "Check the credentials block. An identity needs the role 'Azure Batch Data Contributor' on the account; a"
            " key has to be the account's, and the account has to allow keys."
        )
        return failed(check, str(refusal), advice)
    except AzureBatchError as error:
        return failed(check, str(error), "Check the endpoint of the credentials block, and the network to it.")
    return passed(check, f"{credentials.endpoint} answers, and lets us in.")


async def jobs(service: BatchService, pool: WorkPool) -> list[Finding]:
    """How near the quota of active jobs is. It is not told by the service, except by a job that it refuses."""
    check = "Job quota"
    ours = await service.list_jobs(job_prefix(pool.name, pool.id), seconds=20)
    active = await service.call("count the active jobs", _count_active, 20)
    found = f"{active} active jobs in the account, {sum(lower(job.state) == 'active' for job in ours)} of them ours"
    if active >= _MANY:
        advice = "Accounts begin with a quota of 100 to 300: end jobs that nobody needs, or ask for more in the portal."
        return [warning(check, found, advice)]
    return [passed(check, found)]


async def _count_active(client: "BatchClient") -> int:
    """Those of the whole account; disabled ones count, too."""
    condition = "state eq 'active' or state eq 'disabled' or state eq 'enabling' or state eq 'disabling'"
    pages = client.list_jobs(filter=condition, select=["id"])
    return len([job async for job in pages])
