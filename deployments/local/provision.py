"""Provides a stack that runs with what it needs: a Batch pool, the credentials block, the work pool, and what
`prefect.yaml` deploys."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from azure.batch import models
from azure.core.exceptions import ResourceExistsError
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_azure import AzureBlobStorageCredentials
from pydantic import SecretStr

from azure_batch_emulator.running_emulator import Controls
from deployments.local.address import Address
from deployments.local.choices import kept_choices
from deployments.local.programs import StackError
from deployments.local.services import BATCH_ACCOUNT, BATCH_KEY, LAKE_BLOCK, PROJECT, WORK_POOL, search_path
from prefect_azure_batch import AzureBatchCredentials
from prefect_azure_batch.configuration.assignments import Assignment
from prefect_azure_batch.configuration.defaults import set_defaults
from prefect_azure_batch.storage import configure_storage

_BLOCK = "local-batch"
_BUNDLES = "bundles"  # a blob container for the code of ad hoc runs
_POOL = "local"
_DEPLOYED = "deployed.json"  # what was deployed last, by which choices of users are told
_NODES = 2
_SLOTS = 4


def provision(address: Address) -> None:
    """What a worker needs. Doing it again changes nothing but what has changed."""
    with temporary_settings({PREFECT_API_URL: address.prefect}):
        asyncio.run(_provision(address))


def deploy(address: Address, state: Path) -> int:
    """All of `prefect.yaml`, as anybody would, but for what users chose in the UI since.

    Returns in how many deployments deploying would have undone that. Raises StackError when it fails."""
    environment = {
        **os.environ,
        "PATH": search_path(),
        "PREFECT_API_URL": address.prefect,
        "ETL_WORK_POOL": WORK_POOL,
        "ETL_IMAGE": "",  # it is the work pool's
    }
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    with kept_choices(address.prefect, state / _DEPLOYED) as kept:
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise StackError(f"`prefect deploy --all` failed:\n{(done.stderr + done.stdout).strip()[-2000:]}")
    return len(kept)


async def _provision(address: Address) -> None:
    credentials = AzureBatchCredentials(
        endpoint=address.batch, account_name=BATCH_ACCOUNT, account_key=SecretStr(BATCH_KEY)
    )
    block = await credentials.save(_BLOCK, overwrite=True)
    lake = AzureBlobStorageCredentials(connection_string=SecretStr(address.storage))
    await lake.save(LAKE_BLOCK, overwrite=True)
    await _create_batch_pool(credentials, address)
    defaults = {
        "credentials": {"$ref": {"block_document_id": str(block)}},
        "pool_id": _pool_id(address),
        "image": address.image,
        "env": dict(address.environment),
    }
    async with get_client() as client:
        # A value of nothing, so that what an earlier start has set and this one does not is gone.
        await set_defaults(client, WORK_POOL, [Assignment(n, "", v) for n, v in defaults.items()], create=True)
        await configure_storage(client, WORK_POOL, _BUNDLES, LAKE_BLOCK)


def _pool_id(address: Address) -> str:
    """Nodes are made for containers or not, for good."""
    return f"{_POOL}-containers" if address.image else _POOL


async def _create_batch_pool(credentials: AzureBatchCredentials, address: Address) -> None:
    configuration = models.VirtualMachineConfiguration(
        image_reference=models.BatchVmImageReference(publisher="microsoft-dsvm", offer="ubuntu-hpc", sku="2404"),
        node_agent_sku_id="batch.node.ubuntu 24.04",
        container_configuration=models.BatchContainerConfiguration(type="dockerCompatible") if address.image else None,
    )
    pool = models.BatchPoolCreateOptions(
        id=_pool_id(address),
        vm_size="STANDARD_D2S_V5",
        virtual_machine_configuration=configuration,
        target_dedicated_nodes=_NODES,
        task_slots_per_node=_SLOTS,
    )
    async with credentials.get_client() as client:
        try:
            await client.create_pool(pool)
        except ResourceExistsError:
            return
    # What takes the service minutes need not take them here.
    Controls(address.batch).advance("PT5M")
