"""The base job template of work pools of the type: what the Prefect server and its UI know of the variables."""

from typing import Any

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.configuration.named_blocks import with_names

WORK_POOL_TYPE = "azure-batch"


def base_job_template() -> dict[str, Any]:
    """A new one at each call, for whoever asks changes it."""
    return {"job_configuration": AzureBatchJobConfiguration.json_template(), "variables": variables_schema()}


def variables_schema() -> dict[str, Any]:
    """The schema of the configuration as the Prefect server and its UI want the variables' one."""
    schema = AzureBatchJobConfiguration.model_json_schema(ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    # In the order of the job configuration: Prefect's own, which are inherited, would come first. The UI goes by the
    # position, for a server on PostgreSQL does not keep the order.
    names = AzureBatchJobConfiguration.__annotations__
    schema["properties"] = {name: schema["properties"][name] | {"position": n} for n, name in enumerate(names)}
    schema.pop("title", None)
    schema.pop("description", None)
    for described in (schema, *schema["definitions"].values()):
        _show_nothing_first(described["properties"])
    return with_names(schema)


def _show_nothing_first(properties: dict[str, Any]) -> None:
    """Objects that need not be given. The UI shows the first alternative, and would not save a form in which an object
    lacks what it requires."""
    for name, described in properties.items():
        if name != "credentials" and any("$ref" in kind for kind in described.get("anyOf", ())):
            described["anyOf"].sort(key=lambda kind: "$ref" in kind)
