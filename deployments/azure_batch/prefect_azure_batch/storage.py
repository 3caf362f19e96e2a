"""Where ad hoc runs leave their code and their results: configures a work pool for `@azure_batch` and the like.

Prefect's own `prefect work-pool storage configure` names modules that are deprecated, with requirements that lack the
blob storage client (Prefect 3.8.8), so that its steps fail in a clean environment.
"""

import re
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import WorkPoolStorageConfiguration
from prefect.exceptions import ObjectNotFound

from prefect_azure_batch.configuration.defaults import read_work_pool
from prefect_azure_batch.service.errors import ConfigurationError

_BLOCK_TYPE = "azure-blob-storage-credentials"
# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_CONTAINER = re.compile(r"^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$")


async def configure_storage(
    client: PrefectClient, work_pool: str, container: str, credentials_block: str, *, uv: bool = False
) -> WorkPoolStorageConfiguration:
    """Makes the container where it is missing, and writes the work pool's storage configuration, which is returned.

    The steps run by the `python` that is there; with `uv`, by `uv run`, which installs what they require.
    Raises ConfigurationError when the work pool, the block or the account cannot be used, with the account's words.
    """
    if await read_work_pool(client, work_pool) is None:
        raise ConfigurationError(f"There is no work pool {work_pool!r}.")
    if not _CONTAINER.match(container):
        raise ConfigurationError(
            f"--container {container!r}: a name has 3 to 63 lower-case letters, digits and single hyphens."
        )
    credentials = await _load(client, credentials_block)
    await _create_container(credentials, container)
    configuration = WorkPoolStorageConfiguration(
        bundle_upload_step=_step("upload", container, credentials_block, uv=uv),
        bundle_execution_step=_step("execute", container, credentials_block, uv=uv),
        default_result_storage_block_id=await _save_result_storage(work_pool, container, credentials),
    )
    await client.update_work_pool(work_pool, WorkPoolUpdate(storage_configuration=configuration))
    return configuration


def _step(what: str, container: str, credentials_block: str, *, uv: bool) -> dict[str, Any]:
    """Names the block: the credentials themselves are read where the step runs."""
    how = {"requires": "prefect-azure[blob_storage]"} if uv else {"launcher": ["python"]}
    arguments = {"container": container, "azure_blob_storage_credentials_block_name": credentials_block}
    return {f"prefect_azure.bundles.{what}": arguments | how}


async def _load(client: PrefectClient, name: str) -> Any:  # noqa: ANN401 - importing its type takes long
    from prefect_azure import AzureBlobStorageCredentials  # noqa: PLC0415

    try:
        await client.read_block_document_by_name(name, _BLOCK_TYPE)
    except ObjectNotFound:
        raise ConfigurationError(
            f"--credentials-block: there is no block {name!r} of the type {_BLOCK_TYPE}. Create it in the Prefect UI,"
            " or by AzureBlobStorageCredentials(...).save(NAME); with its account_url alone it signs in by identity."
        ) from None
    return await AzureBlobStorageCredentials.aload(name)


async def _create_container(credentials: Any, name: str) -> None:  # noqa: ANN401
    from azure.core.exceptions import AzureError, ResourceExistsError  # noqa: PLC0415

    try:
        async with credentials.get_container_client(name) as container:
            await container.create_container()
    except ResourceExistsError:
        return
    except (AzureError, ValueError) as error:
        words = str(getattr(error, "message", None) or error).splitlines()[0]
        raise ConfigurationError(
            f"The container {name} could not be created with the block's credentials: {words}. The role 'Storage Blob"
            " Data Contributor' on the storage account allows it."
        ) from error


async def _save_result_storage(work_pool: str, container: str, credentials: Any) -> Any:  # noqa: ANN401
    from prefect_azure import AzureBlobStorageContainer  # noqa: PLC0415

    slug = re.sub(r"[^a-z0-9]+", "-", work_pool.lower()).strip("-")
    block = AzureBlobStorageContainer(container_name=container, credentials=credentials, base_folder="results")
    return await block.save(f"default-{slug}-result-storage", overwrite=True)
