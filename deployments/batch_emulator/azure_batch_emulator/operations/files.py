"""Files of tasks and of nodes: listed, read (with ranges, while they grow) and deleted."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from azure_batch_emulator.engine.model import Node
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks import task_files
from azure_batch_emulator.engine.tasks.launches import node_directory, task_path
from azure_batch_emulator.protocol.call import Call, FileContent, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.times import stamp

_OUT_OF_REACH = {"creating", "starting", "preempted", "deallocated", "deallocating", "unknown"}


def list_files(account: State, call: Call) -> Listing:
    """Relative to the task's directory (stdout.txt, stderr.txt, wd) or the node's root (shared, startup, workitems)."""
    kind = "task_files" if "taskId" in call.path else "node_files"
    return Listing(kind, list(_entries(_folder(account, call), _url(call), recursive=_recursive(call))))


def read_file(account: State, call: Call) -> FileContent:
    return FileContent(_inside(_folder(account, call), call), _url(call, call.path["filePath"]))


def delete_file(account: State, call: Call) -> Reply:
    return _delete(_inside(_folder(account, call), call), call)


# The path says whether it is a task's or a node's.
list_task_files = list_node_files = list_files
download_task_file = download_node_file = read_file
get_task_file_properties = get_node_file_properties = read_file
delete_task_file = delete_node_file = delete_file


def _folder(account: State, call: Call) -> Path:
    return _task_folder(account, call) if "taskId" in call.path else _node_folder(account, call)


def _task_folder(account: State, call: Call) -> Path:
    """Where the task ran last. Nowhere yet, or no longer: the service's errors for that."""
    task = account.task(call.path["jobId"], call.path["taskId"])
    if task.state == "active":
        raise BatchError("OperationInvalidForCurrentState", values={"Reason": "The task has no files before it runs"})
    where = task.resource.get("nodeInfo") or {}
    pool = account.pools.get(where.get("poolId", "").lower())
    node = None if pool is None else pool.nodes.get(where.get("nodeId", "").lower())
    if node is None or node.state in _OUT_OF_REACH:
        raise BatchError("TaskFilesUnavailable")
    folder = _root(account, node) / task_path(task.job.id, task.id)
    if task_files.are_gone(account, task):
        raise BatchError("TaskFilesCleanedup")
    task_files.make(folder)
    return folder


def _node_folder(account: State, call: Call) -> Path:
    node = account.node(call.path["poolId"], call.path["nodeId"])
    if node.state in _OUT_OF_REACH:
        raise BatchError("OperationNotValidOnNode", values={"Reason": f"The node is {node.state}"})
    return _root(account, node)


def _root(account: State, node: Node) -> Path:
    return node_directory(account.root, node.pool.id, node.id)


def _inside(folder: Path, call: Call) -> Path:
    """The existing file, which no `..` and no link takes out of the folder."""
    path = (folder / call.path["filePath"].strip("/")).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.exists():
        raise BatchError("FileNotFound")
    return path


def _entries(folder: Path, url: str, *, recursive: bool) -> Iterator[JsonObject]:
    """By name; a folder before what is in it. What vanishes while it is listed is left out."""
    for path in sorted(_walk(folder) if recursive else _children(folder)):
        name = path.relative_to(folder).as_posix()
        try:
            yield {"name": name, "url": f"{url}/{quote(name)}", **_described(path)}
        except FileNotFoundError:
            continue


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent) / name for name in (*folders, *files))


def _children(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def _described(path: Path) -> JsonObject:
    if path.is_dir():
        return {"isDirectory": True}
    state = path.lstat()
    return {
        "isDirectory": False,
        "properties": {
            "creationTime": stamp(datetime.fromtimestamp(state.st_ctime, UTC)),
            "lastModified": stamp(datetime.fromtimestamp(state.st_mtime, UTC)),
            "contentLength": str(state.st_size),
            "contentType": "text/plain" if path.suffix == ".txt" else "application/octet-stream",
            "fileMode": f"0o{state.st_mode:o}",
        },
    }


def _delete(path: Path, call: Call) -> Reply:
    if path.is_dir() and _recursive(call):
        shutil.rmtree(path)
        return Reply()
    try:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    except OSError as error:
        raise BatchError("IOError", values={"Reason": error.strerror or str(error)}) from error
    return Reply()


def _recursive(call: Call) -> bool:
    return call.query.get("recursive", "").lower() == "true"


def _url(call: Call, name: str = "") -> str:
    """Of a file, or of all."""
    place = "/jobs/{jobId}/tasks/{taskId}" if "taskId" in call.path else "/pools/{poolId}/nodes/{nodeId}"
    return "/".join(filter(None, [f"{call.base_url}{place.format(**call.path)}/files", quote(name.strip("/"))]))
