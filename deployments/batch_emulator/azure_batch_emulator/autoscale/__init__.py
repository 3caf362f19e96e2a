"""The formula language of automatic scaling, as documented; whatever is not, a FormulaError refuses.

https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from azure_batch_emulator.autoscale.errors import FormulaError
from azure_batch_emulator.autoscale.evaluator import Evaluation, run, unchanged
from azure_batch_emulator.autoscale.parser import parse
from azure_batch_emulator.autoscale.samples import Metrics

__all__ = ["Evaluation", "FormulaError", "Metrics", "check", "run", "unchanged"]


def check(formula: str) -> None:
    """A FormulaError for a formula that cannot be read, as when a pool is to be created with it."""
    parse(formula)
