"""A configuration as a worker prepares it for a flow run, and what the task of it says."""

from typing import Any
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.submission.task import build_task


def prepared(**variables: Any) -> AzureBatchJobConfiguration:
    configuration = AzureBatchJobConfiguration(**variables)
    configuration.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="quiet-otter"))
    return configuration


def task_of(configuration: AzureBatchJobConfiguration) -> dict[str, Any]:
    return build_task("task", uuid4(), configuration).as_dict()


def environment(configuration: AzureBatchJobConfiguration) -> dict[str, str]:
    return {setting["name"]: setting["value"] for setting in task_of(configuration)["environmentSettings"]}
