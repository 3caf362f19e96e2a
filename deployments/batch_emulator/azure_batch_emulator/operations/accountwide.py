"""Operations on the account as a whole."""

from collections.abc import Iterable, Sequence

from azure_batch_emulator.engine.model import Node
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.protocol.call import Call, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.validation.bodies import model_properties

_COUNTED = {name.lower(): name for name in sorted(model_properties("BatchNodeCounts") - {"total"})}
"""States of a node to the names under which they are counted."""
_IMAGES = (
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04"),
    ("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04"),
    ("debian", "debian-12", "12", "batch.node.debian 12"),
    ("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9"),
    ("microsoft-dsvm", "ubuntu-hpc", "2204", "batch.node.ubuntu 22.04", "DockerCompatible"),
    ("microsoft-dsvm", "ubuntu-hpc", "2404", "batch.node.ubuntu 24.04", "DockerCompatible"),
    ("microsoft-azure-batch", "ubuntu-server-container", "20-04-lts", "batch.node.ubuntu 20.04", "DockerCompatible"),
    ("microsoftwindowsserver", "windowsserver", "2022-datacenter", "batch.node.windows amd64"),
)
"""Publisher, offer, SKU, the SKU of the node's agent, capabilities."""

_ENDS = {"batch.node.ubuntu 20.04": "2025-04-23T00:00:00Z", "batch.node.ubuntu 22.04": "2027-06-01T00:00:00Z"}
"""When the service's support for what has this agent ends."""


def list_pool_node_counts(account: State, _call: Call) -> Listing:
    return Listing(
        "nodecounts",
        [
            {
                "poolId": pool.id,
                "dedicated": _counts(node for node in pool.nodes.values() if node.dedicated),
                "lowPriority": _counts(node for node in pool.nodes.values() if not node.dedicated),
            }
            for pool in account.pools.values()
        ],
    )


def list_supported_images(_account: State, _call: Call) -> Listing:
    return Listing("supportedimages", [_image(*each) for each in _IMAGES])


def list_applications(account: State, _call: Call) -> Listing:
    return Listing("applications", [_application(*each) for each in account.applications.items()])


def get_application(account: State, call: Call) -> Reply:
    for name, versions in account.applications.items():
        if name.lower() == call.path["applicationId"].lower():
            return Reply(body=_application(name, versions))
    raise BatchError("ApplicationNotFound")


def list_pool_usage_metrics(_account: State, _call: Call) -> Listing:
    """Nothing is charged, so nothing is metered."""
    return Listing("poolusagemetrics", [])


def _counts(nodes: Iterable[Node]) -> JsonObject:
    counts = dict.fromkeys(_COUNTED.values(), 0)
    for node in nodes:
        counts[_COUNTED[node.state]] += 1
    return {**counts, "total": sum(counts.values())}


def _application(name: str, versions: Sequence[str]) -> JsonObject:
    return {"id": name, "displayName": name, "versions": list(versions)}


def _image(publisher: str, offer: str, sku: str, agent: str, *capabilities: str) -> JsonObject:
    image: JsonObject = {
        "nodeAgentSKUId": agent,
        "imageReference": {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"},
        "osType": "windows" if "windows" in agent else "linux",
        "verificationType": "verified",
        **({"batchSupportEndOfLife": end} if (end := _ENDS.get(agent)) else {}),
    }
    return {**image, "capabilities": list(capabilities)} if capabilities else image
