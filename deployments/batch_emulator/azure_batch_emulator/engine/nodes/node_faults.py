"""Preemption of spot nodes, and their failures: drawn as a task begins to run, and now and then for idle nodes."""

from functools import partial

from azure_batch_emulator.control.faults import Fault
from azure_batch_emulator.engine.model import Node, Pool, Task
from azure_batch_emulator.engine.nodes import lifecycle as nodes
from azure_batch_emulator.engine.state import State

_KINDS = ("node_preempted", "node_failed", "node_unusable")


def watch(state: State, pool: Pool) -> None:
    pool.health = state.clock.call_later(state.timings.health, partial(_look, state, pool))


def task_running(state: State, task: Task, node: Node) -> None:
    """A fault that names seconds comes that long after the task has begun."""
    if drawn := _drawn(state, node, job=task.job.id, task=task.id):
        state.clock.call_later(drawn[1].seconds or 0.0, partial(_inject_while_running, state, task, node, *drawn))


def applies(node: Node, kind: str) -> bool:
    """Only spot nodes are preempted, and what is leaving is out of reach."""
    return node.state != "leavingpool" and not (kind == "node_preempted" and node.dedicated)


def inject(state: State, node: Node, kind: str, message: str | None = None) -> None:
    """Lets a fault of nodes happen to this one."""
    if kind == "node_preempted":
        nodes.preempt(state, node)
    elif kind == "node_failed":
        nodes.fail(state, node)
    else:
        nodes.break_down(state, node, "DiskFull", message or "The node is unusable: its disk is full.")


def _look(state: State, pool: Pool) -> None:
    for node in list(pool.nodes.values()):
        if node.state == "idle" and (drawn := _drawn(state, node)):
            kind, fault = drawn
            inject(state, node, kind, fault.message)
    watch(state, pool)


def _drawn(state: State, node: Node, **about: str) -> tuple[str, Fault] | None:
    for kind in filter(partial(applies, node), _KINDS):
        if fault := state.faults.draw(kind, pool=node.pool.id, node=node.id, **about):
            return kind, fault
    return None


def _inject_while_running(state: State, task: Task, node: Node, kind: str, fault: Fault) -> None:
    if task.node is node:
        inject(state, node, kind, fault.message)
