"""Files of tasks and of nodes: listed, read (with ranges, while they grow) and deleted."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from deployments.local.batch_emulator.account import Account
from deployments.local.batch_emulator.call import Answer, Call, FileContent, JsonObject, Listing, Reply
from deployments.local.batch_emulator.engine import task_files
from deployments.local.batch_emulator.engine.launches import node_directory, task_path
from deployments.local.batch_emulator.engine.model import Node
from deployments.local.batch_emulator.errors import BatchError
from deployments.local.batch_emulator.times import stamp

_OUT_OF_REACH = {"creating", "starting", "preempted", "deallocated", "deallocating", "unknown"}


def list_task_files(account: Account, call: Call) -> Listing:
    """Relative to the task's directory: stdout.txt, stderr.txt, wd."""
    folder = _task_folder(account, call)
    return Listing("task_files", list(_entries(folder, _task_url(call), recursive=_recursive(call))))


def read_task_file(account: Account, call: Call) -> FileContent:
    folder = _task_folder(account, call)
    return FileContent(_inside(folder, call), _url(_task_url(call), call.path["filePath"]))


def delete_task_file(account: Account, call: Call) -> Reply:
    return _delete(_inside(_task_folder(account, call), call), call)


def list_node_files(account: Account, call: Call) -> Listing:
    """Relative to the node's root: shared, startup, workitems."""
    folder = _node_folder(account, call)
    return Listing("node_files", list(_entries(folder, _node_url(call), recursive=_recursive(call))))


def read_node_file(account: Account, call: Call) -> FileContent:
    folder = _node_folder(account, call)
    return FileContent(_inside(folder, call), _url(_node_url(call), call.path["filePath"]))


def delete_node_file(account: Account, call: Call) -> Reply:
    return _delete(_inside(_node_folder(account, call), call), call)


OPERATIONS: Mapping[str, Callable[[Account, Call], Answer]] = {
    "list_task_files": list_task_files,
    "download_task_file": read_task_file,
    "_get_task_file_properties_internal": read_task_file,
    "delete_task_file": delete_task_file,
    "list_node_files": list_node_files,
    "download_node_file": read_node_file,
    "_get_node_file_properties_internal": read_node_file,
    "delete_node_file": delete_node_file,
}


def _task_folder(account: Account, call: Call) -> Path:
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


def _node_folder(account: Account, call: Call) -> Path:
    node = account.node(call.path["poolId"], call.path["nodeId"])
    if node.state in _OUT_OF_REACH:
        raise BatchError("OperationNotValidOnNode", values={"Reason": f"The node is {node.state}"})
    return _root(account, node)


def _root(account: Account, node: Node) -> Path:
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
            yield {"name": name, "url": _url(url, name), **_described(path)}
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


def _task_url(call: Call) -> str:
    return f"{call.base_url}/jobs/{call.path['jobId']}/tasks/{call.path['taskId']}/files"


def _node_url(call: Call) -> str:
    return f"{call.base_url}/pools/{call.path['poolId']}/nodes/{call.path['nodeId']}/files"


def _url(files: str, name: str) -> str:
    return f"{files}/{quote(name.strip('/'))}"
