"""How long the service takes for what it does, in emulated seconds. The clock scales them all."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Those marked "recorded" were measured in recorded traffic of the service; the others are estimates."""

    allocation: float = 52.0
    """From a resize to nodes in state creating (recorded: 52 to 57)."""
    release: float = 8.0
    """From a resize that only takes nodes away to their leaving."""
    no_change: float = 1.0
    """A resize to what there is already."""
    creating: float = 10.5
    """Recorded."""
    starting: float = 9.3
    """Recorded, for Linux."""
    starting_windows: float = 65.6
    """Recorded."""
    rebooting: float = 45.0
    reimaging: float = 90.0
    deallocating: float = 30.0
    leaving: float = 5.0
    preempted: float = 300.0
    """Then spot capacity is back for the node."""
    unknown: float = 120.0
    """Then a node that was lost answers again."""
    scheduling: float = 0.15
    """From a task that is ready and a slot that is free to the assignment (recorded: 0.1 to 1.2)."""
    preparing: float = 0.1
    """What a task may take to start before its state shows `preparing`."""
    job_ending: float = 16.0
    """In state terminating (recorded)."""
    deleting: float = 15.0
    """GET answers with state deleting for so long (recorded)."""
    disabling: float = 1.0
    enabling: float = 1.0
    sample: float = 30.0
    """Between two samples of the autoscale variables (documented)."""
    first_evaluation: float = 5.0
    """From enabling autoscale to the first evaluation (recorded: more than 2)."""
    enable_autoscale: float = 30.0
    """Autoscale may be enabled once in this time (documented)."""
    health: float = 30.0
    """Between two draws of the faults that hit idle nodes."""
