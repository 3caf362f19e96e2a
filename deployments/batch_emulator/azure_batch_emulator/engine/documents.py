"""Which parts of a resource the service fills in: defaults, urls, and the spelling it answers with."""

from collections.abc import Mapping

from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.times import INFINITE

_IDENTITY = {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}
_DISK = {"caching": "none", "storageAccountType": "standard_lrs"}
# The service answers these in capitals, whatever it was sent.
_SPELLED = {
    "tasksuccess": "TaskSuccess",
    "taskfailure": "TaskFailure",
    "taskcompletion": "TaskCompletion",
    "spread": "Spread",
    "pack": "Pack",
}


def new_task(body: JsonObject, job: JsonObject, url: str, now: str) -> JsonObject:
    """A task in state active."""
    job_limits = job.get("constraints", {})
    resource = _new(body, url, now)
    resource.setdefault("userIdentity", _IDENTITY)
    resource["constraints"] = {
        "maxWallClockTime": INFINITE,
        "retentionTime": "P7D",
        "maxTaskRetryCount": job_limits.get("maxTaskRetryCount", 0),
        **(body.get("constraints") or {}),
    }
    resource.setdefault("requiredSlots", 1)
    resource["executionInfo"] = {"retryCount": 0, "requeueCount": 0}
    if "outputFiles" in resource:
        resource["outputFiles"] = [_output_file(each) for each in resource["outputFiles"]]
    return resource


def new_job(body: JsonObject, url: str, now: str) -> JsonObject:
    """A job in state active, without a pool yet."""
    resource = {**JOB_DEFAULTS, **_new(body, url, now)}
    resource["constraints"] = {**DEFAULT_CONSTRAINTS, **(body.get("constraints") or {})}
    resource["executionInfo"] = {"startTime": now}
    for name, default in (("jobPreparationTask", "jobpreparation"), ("jobReleaseTask", "jobrelease")):
        if name in resource:
            resource[name] = _job_task(resource[name], default)
    return resource


def new_pool(body: JsonObject, url: str, now: str) -> JsonObject:
    """A pool without nodes."""
    resource = {**POOL_DEFAULTS, **_new(body, url, now)}
    resource.update(allocationState="steady", allocationStateTransitionTime=now)
    resource.update(currentDedicatedNodes=0, currentLowPriorityNodes=0, vmSize=body["vmSize"].lower())
    if resource["enableAutoScale"]:
        resource.setdefault("autoScaleEvaluationInterval", "PT15M")
    policy = resource.get("taskSchedulingPolicy") or {}
    resource["taskSchedulingPolicy"] = {**policy, "nodeFillType": spelled(policy.get("nodeFillType", "spread"))}
    if "virtualMachineConfiguration" in resource:
        resource["virtualMachineConfiguration"] = _machine(resource["virtualMachineConfiguration"])
    if "startTask" in resource:
        resource["startTask"] = start_task(resource["startTask"])
    if "userAccounts" in resource:
        resource["userAccounts"] = [_user_account(each, resource) for each in resource["userAccounts"]]
    if "networkConfiguration" in resource:
        resource["networkConfiguration"] = _network(resource["networkConfiguration"])
    return resource


def new_schedule(body: JsonObject, url: str, now: str) -> JsonObject:
    resource = {**_new(body, url, now), "executionInfo": {}}
    resource["jobSpecification"] = job_specification(resource["jobSpecification"])
    return resource


def job_specification(body: JsonObject) -> JsonObject:
    """As the service shows the job of a schedule: with the defaults of a job."""
    limits = {**DEFAULT_CONSTRAINTS, **(body.get("constraints") or {})}
    return {**JOB_DEFAULTS, **body, "constraints": limits}


def start_task(body: JsonObject) -> JsonObject:
    return {"userIdentity": _IDENTITY, "maxTaskRetryCount": 0, "waitForSuccess": True, **body}


def spelled(word: str) -> str:
    return _SPELLED.get(word.lower(), word)


DEFAULT_CONSTRAINTS: Mapping[str, str | int] = {"maxWallClockTime": INFINITE, "maxTaskRetryCount": 0}
JOB_DEFAULTS: Mapping[str, str | int | bool] = {
    "priority": 0,
    "maxParallelTasks": -1,
    "usesTaskDependencies": False,
    "allowTaskPreemption": False,
    "onAllTasksComplete": "noaction",
    "onTaskFailure": "noaction",
}
POOL_DEFAULTS: Mapping[str, str | int | bool] = {
    "resizeTimeout": "PT15M",
    "targetDedicatedNodes": 0,
    "targetLowPriorityNodes": 0,
    "enableAutoScale": False,
    "enableInterNodeCommunication": False,
    "taskSlotsPerNode": 1,
}


def _new(body: JsonObject, url: str, now: str) -> JsonObject:
    return {**body, "url": url, "creationTime": now, "state": "active", "stateTransitionTime": now}


def _job_task(body: JsonObject, default_id: str) -> JsonObject:
    defaults: JsonObject = {"id": default_id, "userIdentity": _IDENTITY}
    if default_id == "jobpreparation":
        defaults |= {"waitForSuccess": True, "rerunOnNodeRebootAfterSuccess": True}
        defaults["constraints"] = {"maxWallClockTime": INFINITE, "retentionTime": "P7D", "maxTaskRetryCount": 0}
    else:
        defaults |= {"maxWallClockTime": "PT15M", "retentionTime": "P7D"}
    return {**defaults, **body}


def _machine(configuration: JsonObject) -> JsonObject:
    image = configuration["imageReference"]
    machine = {**configuration, "imageReference": {"version": "latest", **image} if "sku" in image else image}
    if "dataDisks" in machine:
        machine["dataDisks"] = [{**_DISK, **each} for each in machine["dataDisks"]]
    return machine


def _user_account(body: JsonObject, pool: JsonObject) -> JsonObject:
    account = {"elevationLevel": "nonadmin", **body}
    if "windows" in pool.get("virtualMachineConfiguration", {}).get("nodeAgentSKUId", ""):
        account.setdefault("windowsUserConfiguration", {"loginMode": "batch"})
    return account


def _network(body: JsonObject) -> JsonObject:
    network = {"dynamicVNetAssignmentScope": "none", "enableAcceleratedNetworking": False, **body}
    for pool in (network.get("endpointConfiguration") or {}).get("inboundNATPools") or []:
        for rule in pool.get("networkSecurityGroupRules") or []:
            rule.setdefault("sourcePortRanges", ["*"])
    return network


def _output_file(body: JsonObject) -> JsonObject:
    options = body["uploadOptions"]
    return {**body, "uploadOptions": {**options, "uploadCondition": spelled(options["uploadCondition"])}}
