"""What is given to the executor for a task, a start task, and the preparation and release tasks of a job."""

from pathlib import Path

from azure_batch_emulator.engine.model import Job, Node, Task
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.execution.executor import Kind, Launch
from azure_batch_emulator.protocol.call import JsonObject


def of_task(state: State, task: Task, node: Node) -> Launch:
    directory = node_directory(state.root, node.pool.id, node.id) / task_path(task.job.id, task.id)
    return _launch(state, "task", node, task.resource, directory, job=task.job)


def of_start_task(state: State, node: Node) -> Launch:
    directory = node_directory(state.root, node.pool.id, node.id) / "startup"
    return _launch(state, "start", node, node.resource["startTask"], directory)


def of_preparation(state: State, job: Job, node: Node) -> Launch:
    return _of_job_task(state, "preparation", job, node, job.resource["jobPreparationTask"])


def of_release(state: State, job: Job, node: Node) -> Launch:
    return _of_job_task(state, "release", job, node, job.resource["jobReleaseTask"])


def node_directory(root: Path, pool_id: str, node_id: str) -> Path:
    return root / "pools" / pool_id.lower() / node_id.lower()


def task_path(job_id: str, task_id: str) -> str:
    """Below the node's root, as the service lays it out."""
    return f"{job_path(job_id)}/{task_id}"


def job_path(job_id: str) -> str:
    """The jobs of a schedule lie side by side under its id."""
    item, _, number = job_id.partition(":")
    return f"workitems/{item}/{number or 'job-1'}"


def is_windows(pool: JsonObject) -> bool:
    """By the agent on its nodes."""
    return "windows" in pool.get("virtualMachineConfiguration", {}).get("nodeAgentSKUId", "").lower()


def _of_job_task(state: State, kind: Kind, job: Job, node: Node, body: JsonObject) -> Launch:
    directory = node_directory(state.root, node.pool.id, node.id) / task_path(job.id, body["id"])
    return _launch(state, kind, node, body, directory, job=job)


def _launch(
    state: State, kind: Kind, node: Node, body: JsonObject, directory: Path, *, job: Job | None = None
) -> Launch:
    return Launch(
        kind=kind,
        pool_id=node.pool.id,
        node_id=node.id,
        job_id="" if job is None else job.id,
        task_id=body.get("id", "startup"),
        command_line=body["commandLine"],
        directory=directory,
        environment=_environment(body, job),
        node_root=node_directory(state.root, node.pool.id, node.id),
        container_settings=body.get("containerSettings"),
        resource_files=tuple(body.get("resourceFiles") or ()),
        output_files=tuple(body.get("outputFiles") or ()),
        elevated=_elevated(body, node),
        windows=is_windows(node.pool.resource),
    )


def _environment(body: JsonObject, job: Job | None) -> dict[str, str]:
    """The job's common settings, and over them the task's own."""
    common = [] if job is None else job.resource.get("commonEnvironmentSettings") or []
    settings = [*common, *(body.get("environmentSettings") or [])]
    return {setting["name"]: setting.get("value") or "" for setting in settings}


def _elevated(body: JsonObject, node: Node) -> bool:
    identity = body.get("userIdentity") or {}
    if "username" in identity:
        accounts = node.pool.resource.get("userAccounts") or []
        return any(each["name"] == identity["username"] and each.get("elevationLevel") == "admin" for each in accounts)
    return (identity.get("autoUser") or {}).get("elevationLevel") == "admin"
