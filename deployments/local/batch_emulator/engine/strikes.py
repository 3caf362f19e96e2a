"""When the faults of nodes are drawn: as a task begins to run, and now and then for a node that has nothing to do."""

from functools import partial

from deployments.local.batch_emulator.engine import nodes
from deployments.local.batch_emulator.engine.model import Node, Pool, Task
from deployments.local.batch_emulator.engine.state import State
from deployments.local.batch_emulator.faults import Fault

_KINDS = ("node_preempted", "node_failed", "node_unusable")


def watch(state: State, pool: Pool) -> None:
    def look() -> None:
        for node in list(pool.nodes.values()):
            if node.state == "idle":
                _strike_idle(state, node)
        pool.health = state.clock.call_later(state.timings.health, look)

    pool.health = state.clock.call_later(state.timings.health, look)


def task_running(state: State, task: Task, node: Node) -> None:
    """A fault that names seconds strikes that long after the task has begun."""
    for kind in _KINDS:
        if not can_be_hit(node, kind):
            continue
        fault = state.faults.draw(kind, pool=node.pool.id, node=node.id, job=task.job.id, task=task.id)
        if fault is not None:
            state.clock.call_later(fault.seconds or 0.0, partial(_strike_running, state, task, node, kind, fault))
            return


def can_be_hit(node: Node, kind: str) -> bool:
    """Only spot nodes are preempted, and what is leaving is out of reach."""
    return node.state != "leavingpool" and not (kind == "node_preempted" and node.dedicated)


def hit(state: State, node: Node, kind: str, message: str | None = None) -> None:
    """Lets a fault of nodes happen to this one."""
    if kind == "node_preempted":
        nodes.preempt(state, node)
    elif kind == "node_failed":
        nodes.fail(state, node)
    else:
        nodes.break_down(state, node, "DiskFull", message or "The node is unusable: its disk is full.")


def _strike_idle(state: State, node: Node) -> None:
    for kind in _KINDS:
        if not can_be_hit(node, kind):
            continue
        fault = state.faults.draw(kind, pool=node.pool.id, node=node.id)
        if fault is not None:
            hit(state, node, kind, fault.message)
            return


def _strike_running(state: State, task: Task, node: Node, kind: str, fault: Fault) -> None:
    if task.node is node:
        hit(state, node, kind, fault.message)
