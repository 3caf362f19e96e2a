"""The history behind a `$` variable, and the methods that read it.

https://learn.microsoft.com/azure/batch/batch-automatic-scaling#obtain-sample-data
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from azure_batch_emulator.autoscale.errors import EVALUATION, SAMPLES, FormulaError, Position
from azure_batch_emulator.autoscale.values import Value

PERIOD = timedelta(seconds=30)
TARGETS = ("$TargetDedicatedNodes", "$TargetLowPriorityNodes")
# May also stand alone in an expression, as in the documented `$CurrentDedicatedNodes * 1.1`.
NUMBERS = frozenset({*TARGETS, "$CurrentDedicatedNodes", "$CurrentLowPriorityNodes", "$TaskSlotsPerNode"})
METRICS = frozenset(
    {
        *NUMBERS,
        *("$ActiveTasks", "$RunningTasks", "$PendingTasks", "$SucceededTasks", "$FailedTasks"),
        *("$PreemptedNodeCount", "$UsableNodeCount", "$SampleNodeCount"),
        *("$CPUPercent", "$WallClockSeconds", "$MemoryBytes", "$DiskBytes", "$DiskReadBytes", "$DiskWriteBytes"),
        *("$DiskReadOps", "$DiskWriteOps", "$NetworkInBytes", "$NetworkOutBytes"),
    }
)


class Metrics(Protocol):
    def samples(self, variable: str) -> Sequence[tuple[datetime, float]]:
        """Instants (aware) and values of a variable, named with its `$`, oldest first; empty where none were taken.

        For the targets, the current nodes and the slots per node, the last one is what is true now.
        """
        ...


@dataclass(frozen=True)
class Metric:
    """A service-defined variable at an instant."""

    name: str
    samples: Sequence[tuple[datetime, float]]
    now: datetime

    def call(  # noqa: PLR0911 - one line for each documented form
        self, method: str, arguments: list[Value], position: Position
    ) -> Value:
        """The value of `$name.method(arguments)`."""
        match method, arguments:
            case "GetSample", [float() as count]:
                return tuple(float(value) for _, value in self.samples[-int(count) :]) if count >= 1 else ()
            case "GetSample", [datetime() | timedelta(), *rest]:
                return self._window(arguments, rest, position)
            case "GetSamplePercent", [datetime() | timedelta()]:
                return self._percent(*self._span(arguments))
            case "GetSamplePercent", [datetime() | timedelta(), datetime() | timedelta()]:
                return self._percent(*self._span(arguments))
            case "GetSamplePeriod", []:
                return PERIOD
            case "Count", []:
                return float(len(self.samples))
            case "HistoryBeginTime", [] if self.samples:
                return self.samples[0][0]
        raise FormulaError(EVALUATION, f"{self.name} has no method {method} for these arguments", position)

    def _window(self, arguments: list[Value], rest: list[Value], position: Position) -> Value:
        match rest:
            case [] | [datetime() | timedelta()]:
                wanted = 0.0
            case [float() as wanted] | [datetime() | timedelta(), float() as wanted]:
                pass
            case _:
                raise FormulaError(EVALUATION, f"{self.name}.GetSample does not take these arguments", position)
        start, end = self._span(arguments)
        received = self._percent(start, end)
        if received < wanted:
            detail = f"Insufficient data from data set: {self.name} wanted {wanted:.0f}%, received {received:.0f}%"
            raise FormulaError(SAMPLES, detail, position)
        return tuple(float(value) for taken, value in self.samples if start < taken <= end)

    def _span(self, arguments: list[Value]) -> tuple[datetime, datetime]:
        """Begin and end, whatever their order: the documented example names the nearer one first."""
        ends = [self._instant(argument) for argument in arguments[:2] if isinstance(argument, datetime | timedelta)]
        first, second = ends[0], ends[1] if len(ends) == 2 else self.now
        return min(first, second), max(first, second)

    def _instant(self, moment: datetime | timedelta) -> datetime:
        return self.now - moment if isinstance(moment, timedelta) else moment

    def _percent(self, start: datetime, end: datetime) -> float:
        """How many of the samples that the span could hold there are."""
        possible = max((end - start) / PERIOD, 1.0)
        there = sum(start < taken <= end for taken, _ in self.samples)
        return min(100.0, 100.0 * there / possible)
