"""What the agent on a node is asked for: its VM extensions, and its logs."""

import asyncio
import logging
import uuid
from collections.abc import Mapping

import msgspec
from azure.core.exceptions import AzureError

from azure_batch_emulator.engine.model import Node
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks.launches import node_directory
from azure_batch_emulator.execution.files.storage import Storage
from azure_batch_emulator.protocol.call import Call, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError

logger = logging.getLogger(__name__)

_AGENT: JsonObject = {
    "name": "batchNodeExtension",
    "publisher": "Microsoft.Azure.Extensions",
    "type": "CustomScript",
    "typeHandlerVersion": "2.0",
    "autoUpgradeMinorVersion": True,
}


def list_node_extensions(account: State, call: Call) -> Listing:
    return Listing("node_extensions", _extensions(_node(account, call)))


def get_node_extension(account: State, call: Call) -> Reply:
    for extension in _extensions(_node(account, call)):
        if extension["vmExtension"]["name"].lower() == call.path["extensionName"].lower():
            return Reply(body=extension)
    raise BatchError("ResourceNotFound")


def upload_node_logs(account: State, call: Call) -> Reply:
    """Answers at once and uploads afterwards, as the service does: whether it worked is seen in the container."""
    node = _node(account, call)
    files = _logs(account, node)
    directory = f"{account.name}/{node.pool.id}/{node.id}/{uuid.uuid4()}"
    account.spawn(_upload(call.body, directory, files), _tell)
    return Reply(body={"virtualDirectoryName": directory, "numberOfFilesUploaded": len(files)})


def _extensions(node: Node) -> list[JsonObject]:
    machine = node.pool.resource.get("virtualMachineConfiguration", {})
    own = [
        _status(each, "Failed", "The emulator does not run VM extensions") for each in machine.get("extensions") or []
    ]
    return [*own, _status(_AGENT, "Succeeded", "The node is emulated")]


def _status(extension: JsonObject, state: str, message: str) -> JsonObject:
    status = {
        "code": f"ProvisioningState/{state.lower()}",
        "level": "Info" if state == "Succeeded" else "Error",
        "displayStatus": f"Provisioning {state.lower()}",
        "message": message,
    }
    view = {"name": extension["name"], "statuses": [status]}
    return {"provisioningState": state, "instanceView": view, "vmExtension": extension}


def _logs(account: State, node: Node) -> dict[str, bytes]:
    """What there is of a node to look at: the service's document of it, and the output of its start task."""
    files = {"node.json": msgspec.json.format(msgspec.json.encode(node.resource))}
    startup = node_directory(account.root, node.pool.id, node.id) / "startup"
    for name in ("stdout.txt", "stderr.txt"):
        if (startup / name).exists():
            files[f"startup/{name}"] = (startup / name).read_bytes()
    return files


async def _upload(body: JsonObject, directory: str, files: Mapping[str, bytes]) -> None:
    async with Storage().container(body["containerUrl"], identity="identityReference" in body) as container:
        for name, content in files.items():
            await container.upload_blob(f"{directory}/{name}", content, overwrite=True)


def _tell(upload: "asyncio.Task[None]") -> None:
    problem = None if upload.cancelled() else upload.exception()
    if isinstance(problem, AzureError | OSError | ValueError):
        logger.warning("The logs of a node could not be uploaded: %s", problem)
    elif problem is not None:
        raise problem


def _node(account: State, call: Call) -> Node:
    return account.node(call.path["poolId"], call.path["nodeId"])
