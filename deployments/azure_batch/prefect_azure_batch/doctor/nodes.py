"""The Batch pool of a work pool: its state, its scaling, its nodes, and whether the runs fit into it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.doctor.finding import Finding, failed, passed, skipped, warning
from prefect_azure_batch.observation.broken_nodes import find_broken, start_task_log
from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.diagnosis import broken_node, lower
from prefect_azure_batch.service.errors import ConfigurationError, Refused
from prefect_azure_batch.submission.pools import check_fits

if TYPE_CHECKING:
    from azure.batch import models
    from azure.batch.aio import BatchClient

_NEAR = timedelta(days=180)
_MOST_NODES = 3


async def look_at(service: BatchService, configuration: AzureBatchJobConfiguration) -> list[Finding]:
    """Raises what the service says, but for a pool that is not there."""
    check = "Batch pool"
    if configuration.temporary_pool:
        return [skipped(check, "Each run has one of its own.")]
    if configuration.pool_id is None:
        return [failed(check, "The work pool names none.", "set pool_id=ID")]
    try:
        pool = await service.get_pool(configuration.pool_id, seconds=20)
    except Refused as refusal:
        if refusal.code != "PoolNotFound":
            raise
        return [_missing(configuration)]
    pool_itself = [_fit(configuration, pool), _prefetched(configuration, pool), _size(pool)]
    return [*pool_itself, await _system(service, pool), await _scaling(service, pool), await _nodes(service, pool)]


def _missing(configuration: AzureBatchJobConfiguration) -> Finding:
    check, found = "Batch pool", f"There is no pool {configuration.pool_id} in the account."
    if configuration.new_pool:
        return passed(check, f"{found} The first run makes it, of {configuration.new_pool.vm_size}.")
    return failed(check, found, "Create it, name another by set pool_id=ID, or say by new_pool what it is made of.")


def _fit(configuration: AzureBatchJobConfiguration, pool: "models.BatchPool") -> Finding:
    """Slots, and containers or none."""
    try:
        check_fits(configuration, pool)
    except ConfigurationError as error:
        return failed("Batch pool", str(error), "Change the variable, or take another pool.")
    taken, slots = configuration.required_slots, pool.task_slots_per_node or 1
    return passed("Batch pool", f"{pool.id}: {pool.vm_size}, {taken} of a node's {slots} slots for a run")


def _prefetched(configuration: AzureBatchJobConfiguration, pool: "models.BatchPool") -> Finding:
    """Whether nodes have the image before a run asks for it."""
    check = "Prefetched image"
    containers = pool.virtual_machine_configuration and pool.virtual_machine_configuration.container_configuration
    images = (containers and containers.container_image_names) or []
    if not images or not configuration.image:
        return skipped(check, "None.")
    if configuration.image in images:
        return passed(check, configuration.image)
    found = f"Nodes of {pool.id} have {', '.join(images)}, and runs ask for {configuration.image}."
    return warning(check, found, "Each node pulls the other one too. Name the pool that belongs to the image.")


def _size(pool: "models.BatchPool") -> Finding:
    check = "Pool size"
    now = f"{pool.current_dedicated_nodes or 0} dedicated and {pool.current_low_priority_nodes or 0} spot nodes"
    if pool.resize_errors:
        errors = "; ".join(f"{error.code}: {error.message}" for error in pool.resize_errors)
        advice = "Ask for more cores of this VM size in the account's quotas, or take another size or region."
        return failed(check, f"{now}. The last resize failed: {errors}", advice)
    wanted = (pool.target_dedicated_nodes or 0) + (pool.target_low_priority_nodes or 0)
    if not wanted and not pool.enable_auto_scale:
        return failed(check, f"{now}, and it does not scale by itself.", "Resize the pool, or give it a formula.")
    return passed(check, f"{now}, {lower(pool.allocation_state)}, {wanted} wanted")


async def _system(service: BatchService, pool: "models.BatchPool") -> Finding:
    """How long Batch supports the image of the nodes, by the service's own list."""
    check, machine = "Nodes' system", pool.virtual_machine_configuration
    ours = machine.image_reference if machine else None
    if machine is None or ours is None or not ours.offer:
        return skipped(check, "An image of one's own.")

    async def listed(client: "BatchClient") -> "list[models.BatchSupportedImage]":
        return [one async for one in client.list_supported_images()]

    name = f"{ours.publisher} {ours.offer} {ours.sku}, {machine.node_agent_sku_id}"
    advice = "Make a pool of a newer one, and name it by set pool_id=ID."
    for one in await service.call("list the images of nodes", listed, 20):
        image = one.image_reference
        if (image.publisher, image.offer, image.sku) == (ours.publisher, ours.offer, ours.sku):
            end = one.batch_support_end_of_life
            if end and end < datetime.now(UTC) + _NEAR:
                return warning(check, f"{name}: Batch supports it until {end:%Y-%m-%d}.", advice)
            return passed(check, f"{name}{f', supported until {end:%Y-%m-%d}' if end else ''}")
    return warning(check, f"{name} is not among the images that Batch supports.", advice)


async def _scaling(service: BatchService, pool: "models.BatchPool") -> Finding:
    """What its formula says now, by the service itself."""
    from azure.batch import models  # noqa: PLC0415

    check = "Autoscale formula"
    if not pool.enable_auto_scale or not pool.auto_scale_formula:
        return skipped(check, "None: the pool is of a fixed size.")
    options = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula=pool.auto_scale_formula)
    try:
        run = await service.call(
            f"evaluate the formula of pool {pool.id}",
            lambda client: client.evaluate_pool_auto_scale(pool.id or "", options),
            20,
        )
    except Refused as refusal:
        return failed(check, str(refusal), "Correct the formula of the pool.")
    if run.error:
        values = ", ".join(f"{value.name}: {value.value}" for value in run.error.error_values or ())
        found = f"It fails: {run.error.code}: {run.error.message}{f' ({values})' if values else ''}"
        return failed(check, found, "Correct the formula of the pool; until then its size does not change.")
    return passed(check, (run.results or "").replace(";", "; "))


async def _nodes(service: BatchService, pool: "models.BatchPool") -> Finding:
    check = "Nodes"
    broken = await find_broken(service, pool.id or "", await service.node_counts(pool.id or "", seconds=20))
    if not broken:
        return passed(check, "None is unusable, and no start task has failed.")
    told = []
    for node in broken[:_MOST_NODES]:
        log = await start_task_log(service, pool.id or "", node.id or "")
        told.append(broken_node(node) + (f"; its start task wrote: {log}" if log else ""))
    advice = "Correct the start task or the image, and remove these nodes: they are paid for and run nothing."
    working = (pool.current_dedicated_nodes or 0) + (pool.current_low_priority_nodes or 0) - len(broken)
    return (warning if working > 0 else failed)(check, "\n".join(told), advice)
