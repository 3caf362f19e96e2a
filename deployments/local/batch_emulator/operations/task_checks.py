"""What no single property of a task tells, but its job and its pool do."""

from collections.abc import Iterator

from deployments.local.batch_emulator.call import JsonObject
from deployments.local.batch_emulator.engine.model import Job
from deployments.local.batch_emulator.errors import BatchError
from deployments.local.batch_emulator.operations.answers import refused
from deployments.local.batch_emulator.operations.jobs import check_task_id
from deployments.local.batch_emulator.operations.unsupported import refuse_property

_MOST_CHARACTERS = 64_000
_MOST_IN_RANGES = 100_000
_SOURCES = ("httpUrl", "storageContainerUrl", "autoStorageContainerName")


def check_task(job: Job, body: JsonObject) -> None:
    """Raises: BatchError as the service gives for a task that is added."""
    check_task_id(job.resource, body["id"])
    refuse_property("task", body)
    _check_dependencies(job.resource, body)
    _check_exit_conditions(job.resource, body)
    if body.get("applicationPackageReferences"):
        raise BatchError("InvalidApplicationPackageReferences")
    for each in body.get("resourceFiles") or []:
        if sum(name in each for name in _SOURCES) != 1:
            raise refused("resourceFiles", each, f"Exactly one of {', '.join(_SOURCES)} must be given")


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
        raise refused("taskIdRanges", spans, "A range ends before it starts")
    if sum(spans) > _MOST_IN_RANGES:
        raise BatchError("TaskDependencyRangesTooLong")


def _check_exit_conditions(job: JsonObject, body: JsonObject) -> None:
    for options in _exit_options(body.get("exitConditions") or {}):
        if "jobAction" in options and job["onTaskFailure"] == "noaction":
            raise refused("jobAction", options["jobAction"], "The job's onTaskFailure is noaction")
        if "dependencyAction" in options and not job["usesTaskDependencies"]:
            raise refused("dependencyAction", options["dependencyAction"], "The job does not use task dependencies")


def _exit_options(conditions: JsonObject) -> Iterator[JsonObject]:
    for each in [*(conditions.get("exitCodes") or []), *(conditions.get("exitCodeRanges") or [])]:
        yield each["exitOptions"]
    for name in ("preProcessingError", "fileUploadError", "default"):
        if name in conditions:
            yield conditions[name]
