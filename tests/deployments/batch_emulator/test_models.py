"""Whatever happens to an account, each document it returns is a model of the SDK: required properties and values."""

import asyncio
import datetime as dt
import enum
import tempfile
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from azure.batch import models
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_batch_emulator.operations import OPERATIONS
from azure_batch_emulator.protocol.call import Call, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.routes import ROUTES, Route
from azure_batch_emulator.protocol.times import moment
from azure_batch_emulator.protocol.validation.secret_properties import without_secrets
from tests.deployments.batch_emulator.emulated import MACHINE, Emulated

# What a model requires and the service does not always tell, as recorded.
NOT_TOLD = {
    ("UserAccount", "password"): "never",
    ("BatchNode", "lastBootTime"): "not before the first boot",
}
POOLS: tuple[dict[str, Any], ...] = (
    {},
    {"targetDedicatedNodes": 2},
    {"targetLowPriorityNodes": 1, "taskSlotsPerNode": 2},
)
AUTOSCALE = {"enableAutoScale": True, "autoScaleFormula": "$TargetDedicatedNodes=1"}
ACTIONS = st.one_of(
    st.tuples(st.just("create_pool"), st.sampled_from([*POOLS, AUTOSCALE])),
    st.tuples(st.just("resize"), st.integers(0, 2)),
    st.tuples(st.just("create_job"), st.sampled_from(["poolId", "auto"])),
    st.tuples(st.just("create_schedule"), st.sampled_from(["PT10M", "P1D"])),
    st.tuples(st.just("create_task"), st.sampled_from([0, 1, 137])),
    st.tuples(st.just("terminate_task"), st.just(0)),
    st.tuples(st.just("reactivate_task"), st.just(0)),
    st.tuples(st.just("terminate_job"), st.just(0)),
    st.tuples(st.just("disable_job"), st.sampled_from(["requeue", "terminate", "wait"])),
    st.tuples(st.just("reboot"), st.just(0)),
    st.tuples(st.just("act_on_node"), st.sampled_from(["preempt", "fail", "break", "recover"])),
    st.tuples(st.just("delete_pool"), st.just(0)),
    st.tuples(st.just("advance"), st.sampled_from([1, 15, 60, 400])),
)
START = {"commandLine": "simulate --seconds 1", "waitForSuccess": True}
USERS = [{"name": "u", "password": "secret"}]


def test_every_route_has_an_operation() -> None:
    assert set(OPERATIONS) == {route.operation for route in ROUTES}
    assert len(ROUTES) == 72


@settings(max_examples=15)
@given(st.lists(ACTIONS, min_size=3, max_size=14))
def test_every_document_is_a_model_of_the_sdk(actions) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), actions))


async def play(folder: Path, actions: list[tuple[str, Any]]) -> None:
    batch = Emulated(folder)
    batch.account.applications = {"a": ("1.0",)}
    checked: set[tuple[str, bytes]] = set()
    batch.account.start()
    try:
        for action, detail in (("create_pool", POOLS[1]), ("create_job", "poolId"), *actions, ("advance", 90)):
            try:
                await act(batch, action, detail)
            except BatchError as error:
                assert error.status in (400, 404, 409, 503), error  # noqa: PT017 - any other is a fault of the emulator
            for route, document in everything(batch):
                check(route.model or "", document, route.operation, checked)
    finally:
        await batch.account.close()


async def act(batch: Emulated, action: str, detail: Any) -> None:  # noqa: C901 - one case per action
    jobs = [job["id"] for job in batch.do("list_jobs")]
    where: Any = {"jobId": jobs[-1] if jobs else "none"}
    tasks = batch.do("list_tasks", **where) if jobs else []
    first: Any = {**where, "taskId": tasks[0]["id"] if tasks else "none"}
    match action:
        case "create_pool":
            body = {"id": f"p{len(batch.account.pools)}", "vmSize": "standard_d2_v2", "startTask": START}
            batch.do("create_pool", {**body, "virtualMachineConfiguration": MACHINE, "userAccounts": USERS, **detail})
        case "resize":
            batch.do("_resize_pool_internal", {"targetDedicatedNodes": detail}, poolId="p0")
        case "create_job":
            pool = {"vmSize": "standard_d2_v2", "virtualMachineConfiguration": MACHINE, "targetDedicatedNodes": 1}
            own = {"autoPoolSpecification": {"poolLifetimeOption": "job", "pool": pool}}
            info = {"poolId": "p0"} if detail == "poolId" else own
            preparation = {"jobPreparationTask": START} if detail == "poolId" and jobs else {}
            body = {"id": f"j{len(jobs)}", "poolInfo": info, "onTaskFailure": "performexitoptionsjobaction"}
            batch.do("create_job", {**body, **{k: {"commandLine": "x"} for k in preparation}})
        case "create_schedule":
            work = {"poolInfo": {"poolId": "p0"}}
            schedule = {"id": f"s{len(jobs)}", "schedule": {"recurrenceInterval": detail}, "jobSpecification": work}
            batch.do("create_job_schedule", schedule)
        case "create_task":
            batch.task(f"t{len(tasks)}", where["jobId"], seconds=20, exit_code=detail)
        case "terminate_task" | "reactivate_task":
            batch.do(action, **first)
        case "terminate_job":
            batch.do("_terminate_job_internal", **where)
        case "disable_job":
            batch.do("_disable_job_internal", {"disableTasks": detail}, **where)
        case "reboot":
            batch.do(
                "_reboot_node_internal",
                {},
                poolId="p0",
                nodeId=batch.nodes("p0")[0]["id"] if batch.nodes("p0") else "x",
            )
        case "act_on_node":
            nodes = batch.nodes("p0")
            batch.account.act_on_node("p0", nodes[0]["id"] if nodes else "none", detail)
        case "delete_pool":
            batch.do("_delete_pool_internal", poolId=next(reversed(batch.account.pools), "none"))
        case "advance":
            await batch.advance(detail)


def everything(batch: Emulated) -> Iterator[tuple[Route, Any]]:
    """Every document that can be read, through every operation that reads."""
    for route in ROUTES:
        if route.method != "GET" or route.model is None:
            continue
        for path in paths(batch, route.path):
            try:
                answer = OPERATIONS[route.operation](batch.account, Call(route.operation, path, base_url="http://b"))
            except BatchError as error:
                assert error.status in (404, 409), (route.operation, error)  # noqa: PT017
                continue
            if isinstance(answer, Listing):
                yield from ((route, item) for item in answer.items)
            elif isinstance(answer, Reply):
                yield route, answer.body


def paths(batch: Emulated, template: str) -> Iterator[dict[str, str]]:
    account = batch.account
    if "{jobScheduleId}" in template:
        yield from ({"jobScheduleId": schedule.id} for schedule in account.schedules.values())
    elif "{taskId}" in template:
        for job in account.jobs.values():
            yield from ({"jobId": job.id, "taskId": task.id} for task in job.tasks.values())
    elif "{jobId}" in template:
        yield from ({"jobId": job.id} for job in account.jobs.values())
    elif "{nodeId}" in template:
        for pool in account.pools.values():
            for node in pool.nodes.values():
                yield {"poolId": pool.id, "nodeId": node.id, "extensionName": "batchNodeExtension"}
    elif "{poolId}" in template:
        yield from ({"poolId": pool.id} for pool in account.pools.values())
    else:
        yield {"applicationId": "a"}


def check(name: str, document: Any, where: str, checked: set[tuple[str, bytes]]) -> None:
    """By the model's own annotations, and by the SDK's deserialiser."""
    encoded = msgspec.json.encode(without_secrets(document))
    if (name, encoded) in checked:  # nothing has changed since
        return
    checked.add((name, encoded))
    model = getattr(models, name)
    shown = msgspec.json.decode(encoded)
    conforms(model, shown, where)
    read = model(shown)
    for attribute in model.__annotations__:
        getattr(read, attribute, None)


def conforms(annotation: Any, value: Any, where: str) -> None:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union:
        kinds = [kind for kind in arguments if kind is not type(None)]
        enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, enum.Enum)]
        conforms((enums or kinds)[0], value, where)
    elif origin is list:
        assert isinstance(value, list), where
        for item in value:
            conforms(arguments[0], item, where)
    elif origin is dict:
        assert isinstance(value, dict), where
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        # The service itself answers some in capitals: Spread, TaskSuccess.
        assert value.lower() in {str(member.value).lower() for member in annotation}, f"{where}: {value}"
    elif hasattr(annotation, "_is_model"):
        conforms_to_model(annotation, value, where)
    elif annotation is dt.datetime:
        assert value.endswith("Z"), where
        assert moment(value).tzinfo is not None, where
    elif annotation is dt.timedelta:
        assert value.startswith("P"), where
    elif annotation is int:
        assert (isinstance(value, int) and not isinstance(value, bool)) or str(value).isdigit(), f"{where}: {value!r}"
    else:
        assert isinstance(value, {float: (int, float)}.get(annotation, annotation)), f"{where}: {value!r}"


def conforms_to_model(model: Any, value: Any, where: str) -> None:
    assert isinstance(value, dict), where
    hints = typing.get_type_hints(model, vars(models), {"_models": models})
    fields = {
        getattr(rest, "_rest_name_input", None) or attribute: hints[attribute]
        for attribute, rest in vars(model).items()
        if hasattr(rest, "_visibility")
    }
    required = {name for name, hint in fields.items() if type(None) not in typing.get_args(hint)}
    missing = {name for name in required - value.keys() if (model.__name__, name) not in NOT_TOLD}
    assert not missing, f"{where}: {model.__name__} without {missing}"
    for name, item in value.items():
        if name in fields:
            conforms(fields[name], item, f"{where}.{name}")
        else:
            raise AssertionError(f"{where}: {model.__name__} has no {name}")
