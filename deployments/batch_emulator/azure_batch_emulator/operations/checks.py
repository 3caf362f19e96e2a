"""What no single property of a body tells, but the others do, or the account; and what the emulator cannot do.

Each check raises the BatchError that the service gives.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from azure_batch_emulator import autoscale
from azure_batch_emulator.control.quotas import cores
from azure_batch_emulator.engine.model import Job, Resource
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.protocol.call import Call, JsonObject
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.validation.bodies import invalid_value

_MOST_SLOTS = 256
_SLOTS_PER_CORE = 4
_MOST_CHARACTERS = 64_000
_MOST_IN_RANGES = 100_000
_SOURCES = ("httpUrl", "storageContainerUrl", "autoStorageContainerName")
_OVER = {"deleting": "BeingDeleted", "terminating": "BeingTerminated", "completed": "Completed"}
UNSUPPORTED: Mapping[str, Mapping[str, str]] = {
    "task": {"multiInstanceSettings": "The emulator does not run multi-instance tasks"},
    "pool": {"applicationPackageReferences": "The emulator installs no application packages on nodes"},
}
"""Resource to the properties that are refused with UnsupportedProperty, and the reason."""


def check_pool(body: JsonObject) -> None:
    """What no single property tells."""
    refuse_property("pool", body)
    slots = body.get("taskSlotsPerNode", 1)
    most = min(_SLOTS_PER_CORE * cores(body["vmSize"]), _MOST_SLOTS)
    if slots > most:
        raise invalid_value("taskSlotsPerNode", slots, f"The VM size {body['vmSize']} has at most {most} task slots")
    if body.get("enableAutoScale"):
        if "targetDedicatedNodes" in body or "targetLowPriorityNodes" in body:
            raise invalid_value("enableAutoScale", "true", "A pool that scales automatically has no targets of its own")
        if "autoScaleFormula" not in body:
            raise BatchError("MissingRequiredProperty", values={"PropertyName": "autoScaleFormula"})
        check_formula(body["autoScaleFormula"])
    elif "autoScaleFormula" in body:
        raise invalid_value(
            "autoScaleFormula", body["autoScaleFormula"], "Automatic scaling is not enabled on the pool"
        )


def check_formula(formula: str) -> None:
    """Whether it can be read; what goes wrong later is told by the run."""
    try:
        autoscale.check(formula)
    except autoscale.FormulaError as error:
        raise BatchError(error.code, values={"Message": error.detail}) from None


def check_job(account: State, body: JsonObject) -> None:
    """What no single property tells of a job, or of the jobs of a schedule."""
    info = body["poolInfo"]
    named, own = info.get("poolId"), info.get("autoPoolSpecification")
    if (named is None) == (own is None):
        raise invalid_value("poolInfo", info, "Exactly one of poolId and autoPoolSpecification must be given")
    pool = account.pools.get((named or "").lower())
    if pool is not None and pool.state == "deleting":
        raise BatchError("PoolBeingDeleted")
    if own is not None and "pool" in own:
        check_pool(own["pool"])
    if "jobReleaseTask" in body and "jobPreparationTask" not in body:
        raise invalid_value("jobReleaseTask", "", "A job release task needs a job preparation task")
    manager = (body.get("jobManagerTask") or {}).get("id")
    if manager is not None:
        _check_task_id(body, manager)


def check_quota(account: State, call: Call) -> None:
    """Disabled jobs count, completed ones do not."""
    active = sum(job.state not in {"completed", "deleting"} for job in account.jobs.values())
    active += sum(each.state not in {"completed", "deleting"} for each in account.schedules.values())
    fault = account.faults.draw("quota_reached", operation=call.operation, job=str(call.body["id"]))
    if fault is not None or active >= account.quotas.active_jobs_and_schedules:
        raise BatchError("ActiveJobAndScheduleQuotaReached")


def check_task(job: Job, body: JsonObject) -> None:
    _check_task_id(job.resource, body["id"])
    refuse_property("task", body)
    _check_dependencies(job.resource, body)
    _check_exit_conditions(job.resource, body)
    if body.get("applicationPackageReferences"):
        raise BatchError("InvalidApplicationPackageReferences")
    for each in body.get("resourceFiles") or []:
        if sum(name in each for name in _SOURCES) != 1:
            raise invalid_value("resourceFiles", each, f"Exactly one of {', '.join(_SOURCES)} must be given")


def check_open(kind: Literal["Job", "JobSchedule"], resource: Resource) -> None:
    """A job or a schedule that is over, or about to be, takes no changes."""
    if resource.state in _OVER:
        raise BatchError(f"{kind}{_OVER[resource.state]}")


def refuse_property(resource: str, body: JsonObject) -> None:
    for name, reason in UNSUPPORTED[resource].items():
        if body.get(name):
            raise BatchError("UnsupportedProperty", values={"PropertyName": name, "Reason": reason})


def _check_task_id(job: JsonObject, task_id: str) -> None:
    """The preparation and release tasks of the job have ids too."""
    for name, default in (("Preparation", "jobpreparation"), ("Release", "jobrelease")):
        own = job.get(f"job{name}Task")
        if own is not None and own.get("id", default).lower() == task_id.lower():
            raise BatchError(f"TaskIdSameAsJob{name}Task")


def _check_dependencies(job: JsonObject, body: JsonObject) -> None:
    depends_on = body.get("dependsOn")
    if not depends_on:
        return
    if not job["usesTaskDependencies"]:
        raise BatchError("TaskDependenciesNotSpecifiedOnJob")
    if sum(map(len, depends_on.get("taskIds") or [])) > _MOST_CHARACTERS:
        raise BatchError("TaskDependencyListTooLong")
    spans = [each["end"] - each["start"] + 1 for each in depends_on.get("taskIdRanges") or []]
    if any(span < 1 for span in spans):
        raise invalid_value("taskIdRanges", spans, "A range ends before it starts")
    if sum(spans) > _MOST_IN_RANGES:
        raise BatchError("TaskDependencyRangesTooLong")


def _check_exit_conditions(job: JsonObject, body: JsonObject) -> None:
    for options in _exit_options(body.get("exitConditions") or {}):
        if "jobAction" in options and job["onTaskFailure"] == "noaction":
            raise invalid_value("jobAction", options["jobAction"], "The job's onTaskFailure is noaction")
        if "dependencyAction" in options and not job["usesTaskDependencies"]:
            raise invalid_value(
                "dependencyAction", options["dependencyAction"], "The job does not use task dependencies"
            )


def _exit_options(conditions: JsonObject) -> Iterator[JsonObject]:
    for each in [*(conditions.get("exitCodes") or []), *(conditions.get("exitCodeRanges") or [])]:
        yield each["exitOptions"]
    for name in ("preProcessingError", "fileUploadError", "default"):
        if name in conditions:
            yield conditions[name]
