"""Prefect's private names: they stand in one module, are there, and are what is expected of them."""

import asyncio
import inspect
import re
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from anyio.abc import TaskGroup
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from prefect.flows import Flow
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.workers.base import BaseJobConfiguration, BaseWorker

from prefect_azure_batch import AzureBatchCredentials, AzureBatchWorker, prefect_private
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.prefect_private import RunSlots
from prefect_azure_batch.settings import WorkerSettings
from tests.deployments.azure_batch.stage import (
    Stage,
    abandon,
    asking,
    give_labels,
    new_worker,
)

PROJECT = Path(__file__).parents[3]
MODULE = Path(prefect_private.__file__)
CODE = [path for folder in ("flows", "tasks", "deployments") for path in (PROJECT / folder).rglob("*.py")]

# A method, its parameters, and whom Prefect has it called by.
METHODS = {
    "_initiate_run": (["flow_run", "configuration"], "_submit_adhoc_run"),
    "_submit_adhoc_run": (["flow", "parameters", "job_variables", "task_status", "flow_run"], "submit"),
    "_submit_run": (["flow_run"], "_submit_scheduled_flow_runs"),
    "_propose_pending_state": (["flow_run"], "_submit_run"),
    "_propose_crashed_state": (["flow_run", "message", "client"], "_submit_run_and_capture_errors"),
    "_give_worker_labels_to_flow_run": (["flow_run_id"], "_submit_run_and_capture_errors"),
    "_submit_run_and_capture_errors": (["flow_run", "task_status"], "_submit_run"),
}
ATTRIBUTES: dict[str, type] = {"_submitting_flow_run_ids": set, "_runs_task_group": TaskGroup, "_limiter": RunSlots}
# What describes a worker or a block to the UI is documented, underscore and all:
# https://docs.prefect.io/v3/advanced/developing-a-custom-worker, https://docs.prefect.io/v3/concepts/blocks
DOCUMENTED = {"_display_name", "_description", "_documentation_url", "_block_type_name", "_block_type_slug"}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_there_and_takes_what_it_took(name: str) -> None:
    parameters, caller = METHODS[name]
    method = getattr(BaseWorker, name)
    assert list(inspect.signature(method).parameters) == ["self", *parameters]
    assert inspect.iscoroutinefunction(method)
    assert f"self.{name}" in inspect.getsource(getattr(BaseWorker, caller))


def test_an_attribute_is_there_and_of_its_type(stage: Stage) -> None:
    async def work() -> dict[str, object]:
        async with new_worker(stage, limit=1) as worker:
            found = {name: getattr(worker, name) for name in ATTRIBUTES}
            abandon(worker)
            return found

    found = asyncio.run(work())
    assert all(isinstance(found[name], kind) for name, kind in ATTRIBUTES.items())


def test_prefect_asks_its_limiter_for_nothing_else_than_slots_have() -> None:
    source = Path(inspect.getfile(BaseWorker)).read_text(encoding="utf-8")
    asked = set(re.findall(r"self\._?limiter\.(\w+)", source))
    assert asked
    assert asked <= set(dir(RunSlots))


def test_the_tables_are_complete() -> None:
    used = private_names(MODULE.read_text(encoding="utf-8")) & names_of(BaseWorker)
    assert used == METHODS.keys() | ATTRIBUTES.keys()
    assert all(f"`{name}`" in str(prefect_private.__doc__) for name in used)


def test_no_other_module_uses_one() -> None:
    theirs = names_of(BaseWorker, BaseJobConfiguration, PrefectClient, Block, Flow)
    for path in CODE:
        source = path.read_text(encoding="utf-8")
        assert private_imports(source) == [], path
        assert path == MODULE or not theirs & taken(source), path


@pytest.mark.parametrize("cls", [AzureBatchWorker, AzureBatchJobConfiguration, AzureBatchCredentials, WorkerSettings])
def test_nor_does_a_class_that_inherits_some(cls: type[Any]) -> None:
    used = private_names(Path(inspect.getfile(cls)).read_text(encoding="utf-8")) & names_of(*cls.__bases__)
    assert used <= DOCUMENTED


def names_of(*classes: type[Any]) -> set[str]:
    """The private names in the modules of Prefect's classes and of their bases."""
    bases = {base for cls in classes for base in cls.__mro__ if base.__module__.startswith("prefect")}
    modules = {Path(str(sys.modules[base.__module__].__file__)) for base in bases}
    return {name for module in modules for name in private_names(module.read_text(encoding="utf-8"))}


def private_names(source: str) -> set[str]:
    """What is defined in it, or taken from any object."""
    patterns = [r"\bdef (_[a-z]\w*)", r"^    (_[a-z]\w*)(?:: .*)? =", r"\.(_[a-z]\w*)"]
    return {name for pattern in patterns for name in re.findall(pattern, source, re.MULTILINE)}


def taken(source: str) -> set[str]:
    """From other objects than its own."""
    return set(re.findall(r"(?<!\bself)(?<!\bcls)\.(_[a-z]\w*)", source))


def private_imports(source: str) -> list[str]:
    imports = re.findall(r"^\s*(?:from|import) (prefect\b[\w.]*(?: import (?:\([^)]*\)|.*))?)", source, re.MULTILINE)
    return [found for found in imports if re.search(r"(?<!\w)_[a-z]", found)]


def test_a_prefect_that_knows_no_labels_does_not_crash_the_run(stage):
    async def work() -> Any:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            async with new_worker(stage) as worker, PrefectClient("http://127.0.0.1:1/api") as nobody:
                with pytest.raises(httpx.HTTPError):
                    await nobody.read_flow_runs()
                with asking(worker, nobody):
                    await give_labels(worker, uuid4())

    asyncio.run(work())
