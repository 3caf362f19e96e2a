"""Exit conditions: what the way a task ended means for its job and for the tasks that depend on it."""

from azure_batch_emulator.protocol.call import JsonObject

_PREPARING = ("Blob", "Resource", "Container", "CommandLaunchFailed", "ApplicationPackage", "JobPreparation")


def satisfies(task: JsonObject) -> bool:
    """Whether tasks that depend on this completed one may run."""
    default = "satisfy" if task["executionInfo"]["result"] == "success" else "block"
    return bool(_matching(task).get("dependencyAction", default).lower() == "satisfy")


def exit_options(task: JsonObject, job: JsonObject) -> JsonObject:
    """The options that apply to a completed task; without an action unless the job asks for one on failure."""
    if job["onTaskFailure"] != "performexitoptionsjobaction":
        return {}
    execution = task["executionInfo"]
    # A task that a user ended before it ran met no exit condition: the job goes on (the SDK's own tests rely on it).
    never_ran = "exitCode" not in execution and execution.get("failureInfo", {}).get("code") == "TaskEnded"
    failed = execution["result"] == "failure" and not never_ran
    return {"jobAction": "terminate" if failed else "none", **_matching(task)}


def _matching(task: JsonObject) -> JsonObject:
    conditions = task.get("exitConditions") or {}
    execution = task["executionInfo"]
    code = execution.get("exitCode")
    for mapping in conditions.get("exitCodes") or []:
        if mapping["code"] == code:
            return dict(mapping["exitOptions"])
    for mapping in conditions.get("exitCodeRanges") or []:
        if code is not None and mapping["start"] <= code <= mapping["end"]:
            return dict(mapping["exitOptions"])
    return dict(_otherwise(conditions, execution))


def _otherwise(conditions: JsonObject, execution: JsonObject) -> JsonObject:
    failure = str(execution.get("failureInfo", {}).get("code", ""))
    named: JsonObject | None = None
    if failure.startswith(_PREPARING):
        named = conditions.get("preProcessingError")
    elif "Upload" in failure:
        named = conditions.get("fileUploadError")
    if named is None and execution["result"] == "failure":
        named = conditions.get("default")
    return named or {}
