"""The work pool type `azure-batch`: each flow run of the pool is executed as a task of Azure Batch."""

from deployments.azure_batch.credentials import AzureBatchCredentials
from deployments.azure_batch.decorator import azure_batch
from deployments.azure_batch.worker import AzureBatchWorker, AzureBatchWorkerResult

__all__ = ["AzureBatchCredentials", "AzureBatchWorker", "AzureBatchWorkerResult", "azure_batch"]
