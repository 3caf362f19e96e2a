"""Nodes that run nothing and are paid for: reported once with their logs, and removed if so configured."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.diagnosis import broken_node, lower
from prefect_azure_batch.service.errors import AzureBatchError, Refused

if TYPE_CHECKING:
    from azure.batch import models
    from azure.batch.aio import BatchClient

    Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

BROKEN = {"starttaskfailed": "start_task_failed", "unusable": "unusable"}  # with their counts
_LOG = "startup/stderr.txt"
_TAIL = 2048
_MOST = 100  # nodes in one request


async def find_broken(
    service: BatchService, pool: str, counts: "models.BatchPoolNodeCounts | None", seconds: float = 20
) -> "list[models.BatchNode]":
    """By the counts of the pool's nodes: no call for a pool that has no broken one."""
    kinds = [kind for kind in (counts.dedicated, counts.low_priority) if kind] if counts else []
    found: list[models.BatchNode] = []
    for state, count in BROKEN.items():
        if any(getattr(kind, count) for kind in kinds):
            found += await service.list_nodes(pool, state, seconds)
    return found


async def start_task_log(service: BatchService, pool: str, node: str) -> str:
    """The last lines of what the node's start task has written to stderr; none where they cannot be read."""
    try:
        properties = await service.call(
            f"measure {_LOG} of node {node}", lambda client: client.get_node_file_properties(pool, node, _LOG), 10
        )
        begin = max(0, int(properties.content_length or 0) - _TAIL)
        text = await service.call(f"read {_LOG} of node {node}", lambda client: _read(client, pool, node, begin), 10)
    except AzureBatchError:
        return ""
    return text.decode(errors="replace").strip()


class BrokenNodes:
    """Reports those of one account. `remove` says whether they are removed after they were reported."""

    def __init__(self, service: BatchService, logger: "Logger", *, remove: bool) -> None:
        self._service, self._logger, self._remove = service, logger, remove
        self._told: set[tuple[str, str, str, object]] = set()

    async def look(self, pool: str) -> None:
        """Raises what the service says."""
        try:
            counts = await self._service.node_counts(pool, seconds=20)
            broken = await find_broken(self._service, pool, counts)
        except Refused as refusal:
            if refusal.code == "PoolNotFound":
                return
            raise
        for node in broken:
            await self._tell(pool, node)
        if self._remove and broken:
            await self._remove_nodes(pool, [node.id or "" for node in broken])

    async def _tell(self, pool: str, node: "models.BatchNode") -> None:
        about = (pool, node.id or "", lower(node.state), node.state_transition_time)
        if about in self._told:
            return
        self._told.add(about)
        log = await start_task_log(self._service, pool, node.id or "")
        lines = f"\nLast lines of its start task's stderr:\n{log}" if log else ""
        self._logger.warning(
            "In pool %s, %s. It runs nothing and is paid for; %s.%s",
            pool,
            broken_node(node),
            "it is removed"
            if self._remove
            else "PREFECT_INTEGRATIONS_AZURE_BATCH_WORKER_REMOVE_BROKEN_NODES removes it",
            lines,
        )

    async def _remove_nodes(self, pool: str, nodes: Iterable[str]) -> None:
        """Each is looked at again just before: one that has recovered stays."""
        from azure.batch import models  # noqa: PLC0415

        chosen = [node for node in list(nodes)[:_MOST] if await self._is_broken(pool, node)]
        if not chosen:
            return
        options = models.BatchNodeRemoveOptions(node_ids=chosen, node_deallocation_option="requeue")
        try:
            await self._service.call(
                f"remove {len(chosen)} broken nodes of pool {pool}",
                lambda client: client.begin_remove_nodes(pool, options),
                20,
            )
        except Refused as refusal:
            if refusal.code not in {"PoolBeingResized", "NodeNotFound", "PoolNotFound"}:
                raise
            return  # the next look finds it again
        self._logger.warning("Removed from pool %s: %s", pool, ", ".join(chosen))

    async def _is_broken(self, pool: str, node: str) -> bool:
        try:
            found = await self._service.call(f"read node {node}", lambda client: client.get_node(pool, node), 20)
        except Refused:
            return False
        return lower(found.state) in BROKEN


async def _read(client: "BatchClient", pool: str, node: str, begin: int) -> bytes:
    chunks = await client.download_node_file(pool, node, _LOG, ocp_range=f"bytes={begin}-")
    return b"".join([chunk async for chunk in chunks])
