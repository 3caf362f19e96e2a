"""The named autoscale formulas of pools: they follow the tasks that wait or run, up to a limit, and go to zero nodes.

Each looks at the most that was pending in the last five minutes, so that a lull does not cost the nodes; and by
`taskcompletion` a node goes when its tasks have ended, so that none is cut off.
https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

EVERY = timedelta(minutes=5)  # the shortest interval of evaluation that the service allows

# Of one formula there may be no sample yet: then nothing is pending. The division rounds up, and is cut down to whole
# nodes by the service.
_NEEDED = """\
pending = max(0, $PendingTasks.GetSample(TimeInterval_Minute * 5));
needed = pending > 0 ? (pending + {spare}) / {per_node} : 0;
"""
_END = "$NodeDeallocationOption = taskcompletion;\n"


@dataclass(frozen=True)
class Limits:
    """Nodes at most, and how many tasks one takes at once."""

    dedicated: int
    spot: int
    tasks_per_node: int = 1


def pending_tasks(limits: Limits) -> str:
    """As many nodes as the tasks need: dedicated ones first, spot nodes for the rest."""
    return (
        _needed(limits)
        + f"$TargetDedicatedNodes = min({limits.dedicated}, needed);\n"
        + f"$TargetLowPriorityNodes = min({limits.spot}, max(0, needed - {limits.dedicated}));\n"
        + _END
    )


def working_hours(limits: Limits) -> str:
    """As `pending_tasks`, and one node stands by from 6 to 18 o'clock UTC on Monday to Friday: what starts then need
    not wait for one."""
    return (
        _needed(limits)
        + "now = time();\n"
        + "standby = now.weekday >= 1 && now.weekday <= 5 && now.hour >= 6 && now.hour < 18 ? 1 : 0;\n"
        + f"$TargetDedicatedNodes = min({limits.dedicated}, max(standby, needed));\n"
        + f"$TargetLowPriorityNodes = min({limits.spot}, max(0, needed - {limits.dedicated}));\n"
        + _END
    )


def spot_with_floor(limits: Limits) -> str:
    """Spot nodes, and one dedicated while there is work, so that some of it always goes on. As many more dedicated ones
    as spot nodes are preempted now stand in for them."""
    return (
        _needed(limits)
        + "floor = min(1, needed);\n"
        + "preempted = needed > 0 ? max(0, $PreemptedNodeCount.GetSample(1)) : 0;\n"
        + f"$TargetDedicatedNodes = min({limits.dedicated}, floor + preempted);\n"
        + f"$TargetLowPriorityNodes = min({limits.spot}, max(0, needed - min({limits.dedicated}, floor)));\n"
        + _END
    )


FORMULAS: Mapping[str, Callable[[Limits], str]] = MappingProxyType(
    {"pending-tasks": pending_tasks, "working-hours": working_hours, "spot-with-floor": spot_with_floor}
)


def _needed(limits: Limits) -> str:
    return _NEEDED.format(spare=limits.tasks_per_node - 1, per_node=limits.tasks_per_node)
