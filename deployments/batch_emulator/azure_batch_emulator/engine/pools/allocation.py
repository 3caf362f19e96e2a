"""From what a pool should have to what it has: adding and removing nodes, and the errors that stand in between."""

from azure_batch_emulator.control.clock import cancel
from azure_batch_emulator.control.quotas import cores
from azure_batch_emulator.engine.model import Node, Pool
from azure_batch_emulator.engine.nodes import lifecycle as nodes
from azure_batch_emulator.engine.persistence import pool_changed
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.times import finite

# Nodes that are no loss are removed first, then those that do nothing.
_REMOVED_FIRST = {"unusable": 0, "starttaskfailed": 0, "preempted": 0, "unknown": 0, "offline": 1, "running": 3}
_TARGETS = {True: "targetDedicatedNodes", False: "targetLowPriorityNodes"}
_CURRENT = {True: "currentDedicatedNodes", False: "currentLowPriorityNodes"}


def resize(state: State, pool: Pool, option: str = "requeue") -> None:
    """Begins to bring the pool to its targets; the option says what becomes of tasks on nodes that go."""
    end(pool)
    pool.deallocation = option.lower()
    pool.resource.pop("resizeErrors", None)
    _enter(state, pool, "resizing")
    pool.resize = state.clock.call_later(_duration(state, pool), lambda: _allocate(state, pool))
    limit = finite(pool.resource["resizeTimeout"])
    if limit is not None:
        pool.resize_limit = state.clock.call_later(limit, lambda: _time_out(state, pool))


def stop(state: State, pool: Pool) -> None:
    """Leaves the pool with the nodes that it has by now."""
    end(pool)
    for node in pool.nodes.values():
        if node.leaving and node.state != "leavingpool":
            node.leaving, node.when_empty = False, None
    _enter(state, pool, "stopping")
    pool.resize = state.clock.call_later(
        state.timings.no_change, lambda: _steady(state, pool, [_error("ResizeStopped", "The resize was stopped.")])
    )


def remove(state: State, pool: Pool, chosen: list[Node], option: str) -> None:
    """Takes these nodes out, and lowers the targets by as many."""
    for node in chosen:
        pool.resource[_TARGETS[node.dedicated]] -= 1
    resize(state, pool, option)
    for node in chosen:
        nodes.remove(state, node, option.lower())


def count(state: State, pool: Pool) -> None:
    """After a node has come or gone."""
    for dedicated, name in _CURRENT.items():
        pool.resource[name] = sum(node.dedicated is dedicated for node in pool.nodes.values())
    if pool.resource["allocationState"] == "resizing" and pool.resize is None and not _missing(pool):
        _steady(state, pool, [])
    pool_changed(state, pool)


def _allocate(state: State, pool: Pool) -> None:
    pool.resize = None
    errors: list[JsonObject] = []
    for dedicated in (True, False):
        staying = [node for node in pool.nodes.values() if node.dedicated is dedicated and not node.leaving]
        wanted = pool.resource[_TARGETS[dedicated]] - len(staying)
        if wanted > 0:
            errors += _grow(state, pool, wanted, dedicated=dedicated)
        else:
            staying.sort(key=lambda node: _REMOVED_FIRST.get(node.state, 2))
            for node in staying[:-wanted]:
                nodes.remove(state, node, pool.deallocation)
    if errors:
        _steady(state, pool, errors)
    count(state, pool)


def _grow(state: State, pool: Pool, wanted: int, *, dedicated: bool) -> list[JsonObject]:
    fault = state.faults.draw("out_of_capacity", pool=pool.id)
    if fault is not None:
        message = fault.message or "Desired number of nodes could not be allocated: there is no capacity in the region."
        return [_error("AllocationFailed", message)]
    allowed = min(wanted, _within_quota(state, pool, dedicated=dedicated))
    if state.faults.draw("quota_reached", operation="resize", pool=pool.id) is not None:
        allowed = 0
    for _ in range(allowed):
        nodes.create(state, pool, dedicated=dedicated)
    if allowed == wanted:
        return []
    code = "AccountCoreQuotaReached" if dedicated else "AccountLowPriorityCoreQuotaReached"
    return [_error(code, "The specified account has reached its core quota.")]


def _within_quota(state: State, pool: Pool, *, dedicated: bool) -> int:
    quota = state.quotas.dedicated_cores if dedicated else state.quotas.low_priority_cores
    taken = sum(
        cores(other.resource["vmSize"]) * sum(node.dedicated is dedicated for node in other.nodes.values())
        for other in state.pools.values()
    )
    return max(0, quota - taken) // cores(pool.resource["vmSize"])


def _missing(pool: Pool) -> bool:
    leaving = any(node.leaving for node in pool.nodes.values())
    return leaving or any(pool.resource[_CURRENT[kind]] != pool.resource[_TARGETS[kind]] for kind in (True, False))


def _duration(state: State, pool: Pool) -> float:
    missing = [pool.resource[_TARGETS[kind]] - pool.resource[_CURRENT[kind]] for kind in (True, False)]
    if max(missing) > 0:
        return state.timings.allocation
    return state.timings.release if min(missing) < 0 else state.timings.no_change


def _time_out(state: State, pool: Pool) -> None:
    message = "Desired number of nodes could not be allocated as the resize timeout was reached"
    _steady(state, pool, [_error("AllocationTimedout", message)])


def _steady(state: State, pool: Pool, errors: list[JsonObject]) -> None:
    end(pool)
    if errors:
        pool.resource["resizeErrors"] = errors
    _enter(state, pool, "steady")


def end(pool: Pool) -> None:
    """Of the resize that is under way nothing more comes."""
    cancel(pool.resize, pool.resize_limit)
    pool.resize = pool.resize_limit = None


def _enter(state: State, pool: Pool, name: str) -> None:
    if pool.resource["allocationState"] != name:
        pool.resource["allocationState"] = name
        pool.resource["allocationStateTransitionTime"] = state.stamp()
    pool_changed(state, pool)


def _error(code: str, message: str) -> JsonObject:
    return {"code": code, "message": message}
