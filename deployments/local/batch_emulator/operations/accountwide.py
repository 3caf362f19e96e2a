"""Operations on the account as a whole."""

from collections.abc import Iterable, Sequence

from deployments.local.batch_emulator.account import Account
from deployments.local.batch_emulator.call import Call, JsonObject, Listing, Reply
from deployments.local.batch_emulator.engine.model import Node
from deployments.local.batch_emulator.errors import BatchError

_COUNTED = {
    "creating": "creating",
    "idle": "idle",
    "offline": "offline",
    "preempted": "preempted",
    "rebooting": "rebooting",
    "reimaging": "reimaging",
    "running": "running",
    "starting": "starting",
    "starttaskfailed": "startTaskFailed",
    "leavingpool": "leavingPool",
    "unknown": "unknown",
    "unusable": "unusable",
    "waitingforstarttask": "waitingForStartTask",
    "deallocated": "deallocated",
    "deallocating": "deallocating",
    "upgradingos": "upgradingOS",
}
_IMAGES = (
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04", "linux", ()),
    ("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04", "linux", ()),
    ("debian", "debian-12", "12", "batch.node.debian 12", "linux", ()),
    ("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9", "linux", ()),
    ("microsoft-dsvm", "ubuntu-hpc", "2204", "batch.node.ubuntu 22.04", "linux", ("DockerCompatible",)),
    (
        "microsoft-azure-batch",
        "ubuntu-server-container",
        "20-04-lts",
        "batch.node.ubuntu 20.04",
        "linux",
        ("DockerCompatible",),
    ),
    ("microsoftwindowsserver", "windowsserver", "2022-datacenter", "batch.node.windows amd64", "windows", ()),
)


def list_pool_node_counts(account: Account, _call: Call) -> Listing:
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


def list_supported_images(_account: Account, _call: Call) -> Listing:
    return Listing("supportedimages", [_image(*each) for each in _IMAGES])


def list_applications(account: Account, _call: Call) -> Listing:
    return Listing("applications", [_application(*each) for each in account.applications.items()])


def get_application(account: Account, call: Call) -> Reply:
    for name, versions in account.applications.items():
        if name.lower() == call.path["applicationId"].lower():
            return Reply(body=_application(name, versions))
    raise BatchError("ApplicationNotFound")


def list_pool_usage_metrics(_account: Account, _call: Call) -> Listing:
    """Nothing is charged, so nothing is metered."""
    return Listing("poolusagemetrics", [])


def _counts(nodes: Iterable[Node]) -> JsonObject:
    counts = dict.fromkeys(_COUNTED.values(), 0)
    for node in nodes:
        counts[_COUNTED[node.state]] += 1
    return {**counts, "total": sum(counts.values())}


def _application(name: str, versions: Sequence[str]) -> JsonObject:
    return {"id": name, "displayName": name, "versions": list(versions)}


def _image(publisher: str, offer: str, sku: str, agent: str, system: str, capabilities: tuple[str, ...]) -> JsonObject:
    image: JsonObject = {
        "nodeAgentSKUId": agent,
        "imageReference": {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"},
        "osType": system,
        "verificationType": "verified",
    }
    return {**image, "capabilities": list(capabilities)} if capabilities else image
