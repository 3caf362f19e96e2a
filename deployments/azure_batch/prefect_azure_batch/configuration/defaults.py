"""Sets the defaults of a work pool's variables, and brings its base job template up to date.

`prefect-azure-batch set --pool NAME image=... env.MODE=... credentials=BLOCK --json FILE --create`
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectNotFound

from prefect_azure_batch.configuration.assignments import Assignment, assign
from prefect_azure_batch.configuration.base_job_template import WORK_POOL_TYPE, base_job_template
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration, defaults_of
from prefect_azure_batch.configuration.named_blocks import refusal_of
from prefect_azure_batch.service.errors import ConfigurationError

Template = dict[str, Any]
_BLOCK_TYPE = "azure-batch-credentials"


async def set_defaults(
    client: PrefectClient, work_pool: str, assignments: Iterable[Assignment], *, create: bool = False
) -> Template:
    """Writes the work pool's template with these defaults, and returns it; `create` makes the pool where there is none.

    Nothing is written unless the defaults, as a worker would take them, are valid: raises ConfigurationError by name.
    """
    pool = await read_work_pool(client, work_pool)
    if pool is None and not create:
        raise ConfigurationError(f"There is no work pool {work_pool!r}. Give --create to make it.")
    template = current(pool.base_job_template if pool else {})
    values = [await _with_block(client, one) for one in assignments]
    _put(template, defaults := assign(defaults_of(template), values))
    if refusal := refusal_of(f"work pool {work_pool!r}", defaults):
        raise ConfigurationError(refusal)
    await validated(client, template)
    if pool is None:
        new = WorkPoolCreate(name=work_pool, type=WORK_POOL_TYPE, base_job_template=template)
        await client.create_work_pool(new)
    else:
        await client.update_work_pool(work_pool, WorkPoolUpdate(base_job_template=template))
    return template


async def read_work_pool(client: PrefectClient, name: str) -> WorkPool | None:
    """None where there is none. Raises ConfigurationError for one of another type."""
    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound:
        return None
    if pool.type != WORK_POOL_TYPE:
        raise ConfigurationError(f"Work pool {name!r} is of the type {pool.type}, not {WORK_POOL_TYPE}.")
    return pool


def current(old: Mapping[str, Any]) -> Template:
    """The template of this version, with the defaults of an older one, and what somebody has added to that."""
    template = base_job_template()
    properties = template["variables"]["properties"]
    configuration = old.get("job_configuration", {})
    changed = {name: value for name, value in configuration.items() if _is_changed(name, value)}
    template["job_configuration"] |= {name: value for name, value in changed.items() if name in properties}
    used = set(re.findall(r"\{\{\s*([A-Za-z_]\w*)", str(changed)))
    for name, field in old.get("variables", {}).get("properties", {}).items():
        if name in properties:
            properties[name] |= {"default": field["default"]} if "default" in field else {}
        elif name in used:
            properties[name] = field
    return template


async def validated(client: PrefectClient, template: Mapping[str, Any]) -> AzureBatchJobConfiguration:
    """The configuration of a run that overrides nothing, blocks loaded. Raises ConfigurationError by name."""
    try:
        return await AzureBatchJobConfiguration.from_template_and_values(dict(template), {}, client=client)
    except ObjectNotFound:
        raise ConfigurationError("A block that the defaults name does not exist; see `prefect block ls`.") from None
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _is_changed(name: str, value: object) -> bool:
    return str(value).replace(" ", "") != f"{{{{{name}}}}}"


def _put(template: Template, defaults: Mapping[str, Any]) -> None:
    """What has no default any longer gets the type's own back."""
    own = base_job_template()["variables"]["properties"]
    for name, field in template["variables"]["properties"].items():
        field.pop("default", None)
        if name in defaults:
            field["default"] = defaults[name]
        elif "default" in own.get(name, {}):
            field["default"] = own[name]["default"]


async def _with_block(client: PrefectClient, one: Assignment) -> Assignment:
    """`credentials` may be given by the name of its block."""
    if one.variable != "credentials" or one.key or not isinstance(one.value, str) or not one.value:
        return one
    try:
        block = await client.read_block_document_by_name(one.value, _BLOCK_TYPE)
    except ObjectNotFound:
        raise ConfigurationError(
            f"credentials: there is no block {one.value!r} of the type {_BLOCK_TYPE}. Create it in the Prefect UI, or"
            " by AzureBatchCredentials(...).save(NAME)."
        ) from None
    return Assignment("credentials", "", {"$ref": {"block_document_id": str(block.id)}})
