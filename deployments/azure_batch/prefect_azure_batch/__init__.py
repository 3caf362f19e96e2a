"""The work pool type `azure-batch`: each flow run of the pool is executed as a task of Azure Batch.

What it offers is imported when it is asked for: `prefect-azure-batch --help` need not wait for Prefect.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_azure_batch.credentials import AzureBatchCredentials
    from prefect_azure_batch.decorator import azure_batch
    from prefect_azure_batch.worker import AzureBatchWorker, AzureBatchWorkerResult
else:
    _MODULES = {"AzureBatchCredentials": "credentials", "azure_batch": "decorator"}

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'worker')}"), name)

    def __dir__() -> list[str]:  # by which `prefect block register -m` finds the block
        return __all__


__all__ = ["AzureBatchCredentials", "AzureBatchWorker", "AzureBatchWorkerResult", "azure_batch"]
