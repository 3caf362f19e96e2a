"""The life of a pool: made, filled, emptied, gone."""

from azure_batch_emulator.control.clock import cancel
from azure_batch_emulator.engine.documents import new_pool
from azure_batch_emulator.engine.model import Pool
from azure_batch_emulator.engine.nodes import lifecycle as nodes
from azure_batch_emulator.engine.nodes import node_faults
from azure_batch_emulator.engine.persistence import pool_changed
from azure_batch_emulator.engine.pools import allocation, autoscaling
from azure_batch_emulator.engine.state import State, enter
from azure_batch_emulator.protocol.call import JsonObject


def create(state: State, body: JsonObject) -> Pool:
    pool = Pool(new_pool(body, f"{state.base_url}/pools/{body['id']}", state.stamp()))
    state.created(pool.resource)
    state.pools[pool.id.lower()] = pool
    if any(pool.resource[name] for name in ("targetDedicatedNodes", "targetLowPriorityNodes")):
        allocation.resize(state, pool)
    else:
        pool_changed(state, pool)
    autoscaling.begin(state, pool)
    node_faults.watch(state, pool)
    return pool


def delete(state: State, pool: Pool) -> None:
    """Its tasks go back in line, for a pool of the same name that may come."""
    allocation.end(pool)
    autoscaling.end(pool)
    cancel(pool.work, pool.health)
    pool.work = pool.health = None
    enter(pool.resource, "deleting", state.stamp())
    pool.resource.update(allocationState="resizing", allocationStateTransitionTime=state.stamp())
    for node in list(pool.nodes.values()):
        if node.state != "leavingpool":
            nodes.remove(state, node, "requeue")
    fault = state.faults.draw("delete_lingers", pool=pool.id)
    lingering = (fault.seconds or 0.0) if fault is not None else 0.0
    pool.timer = state.clock.call_later(state.timings.deleting + lingering, lambda: _forget(state, pool))
    pool_changed(state, pool)


def node_left(state: State, pool: Pool) -> None:
    allocation.count(state, pool)
    if pool.state == "deleting" and not pool.nodes and pool.timer is None:
        _forget(state, pool)


def resume(state: State, pool: Pool) -> None:
    """After a restart of the emulator: goes on with what was going on."""
    if pool.state == "deleting":
        delete(state, pool)
        return
    if not pool.steady:
        allocation.resize(state, pool)
    autoscaling.begin(state, pool)
    node_faults.watch(state, pool)


def _forget(state: State, pool: Pool) -> None:
    """Once its last node is gone."""
    pool.timer = None
    if pool.nodes:
        return
    if state.pools.get(pool.id.lower()) is pool:
        del state.pools[pool.id.lower()]
        state.store.changed("pool", pool.id.lower(), None)
