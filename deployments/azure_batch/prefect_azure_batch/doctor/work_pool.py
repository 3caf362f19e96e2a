"""What Prefect knows of the work pool: its template, its workers, and its storage for ad hoc runs."""

from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.objects import WorkerStatus, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from prefect_azure_batch.configuration.defaults import current
from prefect_azure_batch.doctor.finding import Finding, failed, passed, skipped, warning

_COMMAND = "prefect-azure-batch"
_PAGE = 200  # the most that the server gives at once


def look_at(pool: WorkPool) -> list[Finding]:
    findings = [passed("Work pool", f"{pool.name}, of the type {pool.type}")]
    if pool.is_paused:
        findings = [warning("Work pool", f"{pool.name} is paused.", f"prefect work-pool resume {pool.name}")]
    return [*findings, _template(pool)]


async def workers(client: PrefectClient, pool: WorkPool) -> Finding:
    check = "Workers"
    found = await client.read_workers_for_work_pool(pool.name)
    online = [worker.name for worker in found if worker.status == WorkerStatus.ONLINE]
    if online:
        return passed(check, f"online: {', '.join(sorted(online))}")
    last = max((worker.last_heartbeat_time for worker in found if worker.last_heartbeat_time), default=None)
    seen = f"None is online; the last was heard at {last:%Y-%m-%d %H:%M} UTC." if last else "None was ever online."
    return failed(check, seen, f"prefect worker start --pool {pool.name}")


async def deployments(client: PrefectClient, pool: WorkPool, image: str | None) -> Finding:
    """Whether they run in the image of the work pool, or in one of their own."""
    check, found = "Deployments", list[DeploymentResponse]()
    filtered = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool.name]))
    while page := await client.read_deployments(work_pool_filter=filtered, limit=_PAGE, offset=len(found)):
        found += page
    others = {one.name: one.job_variables["image"] for one in found if (one.job_variables or {}).get("image")}
    if different := sorted(name for name, its in others.items() if its != image):
        told = ", ".join(f"{name} in {others[name]}" for name in different)
        advice = "If they were pinned by an earlier version: deploy them again without ETL_IMAGE."
        return warning(check, f"Not in the image of the work pool: {told}.", advice)
    return passed(check, f"{len(found)}, all in the image of the work pool")


async def storage(client: PrefectClient, pool: WorkPool) -> Finding:
    """By reading from the container, as a run would. Without storage only ad hoc runs are impossible."""
    check, advice = (
        "Bundle storage",
        f"{_COMMAND} storage --pool {pool.name} --container NAME --credentials-block BLOCK",
    )
    step = pool.storage_configuration.bundle_execution_step
    if not step or not pool.storage_configuration.bundle_upload_step:
        return skipped(check, f"Not configured: @azure_batch cannot be used. {advice}")
    arguments: dict[str, Any] = next(iter(step.values()))
    container = arguments.get("container", "")
    name = arguments.get("azure_blob_storage_credentials_block_name", "")
    try:
        await client.read_block_document_by_name(name, "azure-blob-storage-credentials")
    except ObjectNotFound:
        return failed(check, f"The credentials block {name!r} of its steps does not exist.", advice)
    trouble = await _trouble(name, container)
    if trouble:
        return failed(check, f"The container {container} cannot be read: {trouble}", advice)
    if pool.storage_configuration.default_result_storage_block_id is None:
        return warning(check, f"Container {container}; results of ad hoc runs are not kept.", advice)
    return passed(check, f"Container {container}, by the block {name}")


async def _trouble(block: str, container: str) -> str | None:
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - importing the SDK takes long
    from prefect_azure import AzureBlobStorageCredentials  # noqa: PLC0415

    credentials: Any = await AzureBlobStorageCredentials.aload(block)
    try:
        async with credentials.get_container_client(container) as client:
            await client.get_container_properties(timeout=20)
    except (AzureError, ValueError) as error:
        return str(getattr(error, "error_code", None) or getattr(error, "message", None) or error).splitlines()[0]
    return None


def _template(pool: WorkPool) -> Finding:
    check, advice = "Template", f"{_COMMAND} set --pool {pool.name}"
    template, wanted = pool.base_job_template, current(pool.base_job_template)
    there, ours = (one.get("variables", {}).get("properties", {}) for one in (template, wanted))
    if missing := [name for name in ours if name not in there]:
        return failed(check, f"Of an older version: it lacks {', '.join(missing)}.", advice)
    if lost := [name for name in wanted["job_configuration"] if name not in template.get("job_configuration", {})]:
        return failed(check, f"Its job configuration does not use {', '.join(lost)}.", advice)
    if changed := [name for name in ours if ours[name] != there[name]]:
        return warning(check, f"Of an older version: {', '.join(changed)} are described otherwise.", advice)
    return passed(check, f"Up to date: {len(ours)} variables")
