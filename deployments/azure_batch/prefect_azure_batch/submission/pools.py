"""The pool that a flow run's task goes to: it is there, or made, and fits, before a task is given to it."""

import shlex
from typing import TYPE_CHECKING, Any

from prefect_azure_batch.configuration.autoscale_formulas import EVERY, FORMULAS, Limits
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.configuration.pool_specification import PoolSpecification
from prefect_azure_batch.configuration.variable_types import Registry
from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.diagnosis import lower
from prefect_azure_batch.service.errors import ConfigurationError, Refused
from prefect_azure_batch.service.identifiers import own_job_of
from prefect_azure_batch.submission.job_rotation import JobKey
from prefect_azure_batch.submission.task import registry_reference

if TYPE_CHECKING:
    from azure.batch import models

_TEMPORARY = ""  # in the place of a pool's id, for Batch chooses that one
PREFIX = "prefect"  # of the ids that Batch chooses
JOB = "prefect-job"  # what a temporary pool calls the job that it is for, in its metadata


async def job_key_for(
    service: BatchService, configuration: AzureBatchJobConfiguration, prefix: str, task: str
) -> JobKey:
    """Where the task goes: the pool of the configuration, which is created when it may be, or one of the task's own,
    whose job's id has this prefix.

    Raises ConfigurationError when no task of this configuration could ever run there, Refused when there is no pool.
    """
    if configuration.temporary_pool and configuration.new_pool:
        _check_specification(configuration, configuration.new_pool)
        return JobKey(
            _TEMPORARY,
            configuration.priority,
            own_task=task,
            auto_pool=_auto_pool(configuration, own_job_of(prefix, task)),
        )
    return JobKey(await ensure_pool(service, configuration), configuration.priority)


_MAX_AGE = 30.0  # seconds; what is checked here changes seldom


async def ensure_pool(service: BatchService, configuration: AzureBatchJobConfiguration) -> str:
    """The id of the pool. Raises as `job_key_for` does."""
    if configuration.pool_id is None:
        raise ConfigurationError("pool_id: no Batch pool is configured; give the id of one in the work pool.")
    try:
        pool = await service.get_pool(configuration.pool_id, max_age=_MAX_AGE)
    except Refused as refusal:
        if refusal.code != "PoolNotFound":
            raise
        if configuration.new_pool is None:
            raise ConfigurationError(
                f"pool_id: the account has no pool {configuration.pool_id}. Create it, give the id of another, or say"
                " in new_pool what it is to be made of."
            ) from refusal
        _check_specification(configuration, configuration.new_pool)
        await service.create_pool(_pool(configuration.pool_id, configuration, configuration.new_pool))
        pool = await service.get_pool(configuration.pool_id, max_age=_MAX_AGE)
    check_fits(configuration, pool)
    return pool.id


def check_fits(configuration: AzureBatchJobConfiguration, pool: "models.BatchPool") -> None:
    """Raises ConfigurationError when no task of this configuration could ever run in the pool."""
    if lower(pool.state) == "deleting":
        raise ConfigurationError(f"pool_id: pool {pool.id} is being deleted; give another, or create it anew.")
    _check_slots(configuration, pool.task_slots_per_node or 1, f"pool {pool.id}")
    machine = pool.virtual_machine_configuration
    has_containers = bool(machine and machine.container_configuration)
    _check_image(configuration, f"pool {pool.id}", "leave image empty", "give an image", containers=has_containers)


def _check_specification(configuration: AzureBatchJobConfiguration, specification: PoolSpecification) -> None:
    """Before a pool is made that the task could not run in."""
    _check_slots(configuration, specification.slots, "new_pool")
    with_image, without = "set new_pool.containers to true", "give an image, or set new_pool.containers to false"
    _check_image(configuration, "new_pool", with_image, without, containers=specification.containers)


def _check_image(
    configuration: AzureBatchJobConfiguration, pool: str, with_image: str, without: str, *, containers: bool
) -> None:
    """`with_image` and `without` are what to do about one too many, or one that is missing."""
    if configuration.image and not containers:
        raise ConfigurationError(f"image: the nodes of {pool} do not run containers; {with_image}.")
    if containers and not configuration.image:
        raise ConfigurationError(f"image: the nodes of {pool} run containers only; {without}.")


def _check_slots(configuration: AzureBatchJobConfiguration, slots: int, pool: str) -> None:
    """A task that asks for more waits for ever."""
    if configuration.required_slots > slots:
        raise ConfigurationError(
            f"required_slots: {configuration.required_slots} are asked for, and a node of {pool} has {slots}."
        )


def _auto_pool(configuration: AzureBatchJobConfiguration, job: str) -> "models.BatchAutoPoolSpecification":
    """Made for the one task: one node, which is there from the beginning, and goes with the job."""
    from azure.batch import models  # noqa: PLC0415 - importing the SDK takes long

    specification = configuration.new_pool or PoolSpecification(vm_size="")
    spot = bool(specification.spot_nodes and not specification.nodes)
    return models.BatchAutoPoolSpecification(
        pool_lifetime_option="job",
        auto_pool_id_prefix=PREFIX,
        keep_alive=False,
        pool=models.BatchPoolSpecification(
            **_made_of(specification, configuration.registry),
            target_dedicated_nodes=0 if spot else 1,
            target_low_priority_nodes=1 if spot else 0,
            metadata=[models.BatchMetadataItem(name=JOB, value=job)],
        ),
    )


def _pool(
    pool: str, configuration: AzureBatchJobConfiguration, specification: PoolSpecification
) -> "models.BatchPoolCreateOptions":
    from azure.batch import models  # noqa: PLC0415

    options = models.BatchPoolCreateOptions(
        id=pool,
        **_made_of(specification, configuration.registry),
        metadata=[models.BatchMetadataItem(name="created-by", value="prefect-azure-batch")],
    )
    if specification.formula == "fixed":
        options.target_dedicated_nodes = specification.nodes
        options.target_low_priority_nodes = specification.spot_nodes
    else:
        per_node = max(1, specification.slots // configuration.required_slots)
        limits = Limits(specification.nodes, specification.spot_nodes, per_node)
        options.enable_auto_scale = True
        options.auto_scale_formula = FORMULAS[specification.formula](limits)
        options.auto_scale_evaluation_interval = EVERY
    return options


def _made_of(specification: PoolSpecification, registry: Registry | None) -> dict[str, Any]:
    from azure.batch import models  # noqa: PLC0415

    containers = None
    if specification.containers:
        containers = models.BatchContainerConfiguration(
            type="dockerCompatible",
            container_image_names=specification.prefetch or None,
            container_registries=[registry_reference(registry)] if registry else None,
        )
    machine = models.VirtualMachineConfiguration(
        image_reference=models.BatchVmImageReference(
            publisher=specification.publisher, offer=specification.offer, sku=specification.sku, version="latest"
        ),
        node_agent_sku_id=specification.node_agent,
        container_configuration=containers,
    )
    subnet = specification.subnet
    return {
        "vm_size": specification.vm_size,
        "virtual_machine_configuration": machine,
        "task_slots_per_node": specification.slots,
        "network_configuration": models.NetworkConfiguration(subnet_id=subnet) if subnet else None,
        "start_task": _start_task(specification),
    }


def _start_task(specification: PoolSpecification) -> "models.BatchStartTask | None":
    from azure.batch import models  # noqa: PLC0415

    task = specification.start_task
    if task is None:
        return None
    user = models.AutoUserSpecification(scope="pool", elevation_level="admin")
    return models.BatchStartTask(
        command_line=f"/bin/sh -c {shlex.quote(task.command)}",
        wait_for_success=task.wait,
        max_task_retry_count=task.retries,
        user_identity=models.UserIdentity(auto_user=user),
    )
