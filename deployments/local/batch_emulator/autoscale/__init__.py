"""The formula language of automatic scaling, as documented; whatever is not, a FormulaError refuses.

https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from datetime import datetime

from deployments.local.batch_emulator.autoscale.errors import FormulaError
from deployments.local.batch_emulator.autoscale.evaluator import Evaluation, run, unchanged
from deployments.local.batch_emulator.autoscale.parser import parse
from deployments.local.batch_emulator.autoscale.samples import Metrics

__all__ = ["Evaluation", "FormulaError", "Metrics", "check", "evaluate", "run", "unchanged"]


def evaluate(formula: str, metrics: Metrics, now: datetime) -> str:
    """Results as the service writes them: `$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;...`."""
    return run(formula, metrics, now).results


def check(formula: str) -> None:
    """A FormulaError for a formula that cannot be read, as when a pool is to be created with it."""
    parse(formula)
