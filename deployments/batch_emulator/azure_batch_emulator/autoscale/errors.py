"""What a formula is refused for, with the service's codes and its "Line 1, Col 37: ..." details."""

from typing import Any

SYNTAX = "AutoScalingFormulaSyntaxError"
TOO_LONG = "AutoScalingFormulaTooLong"
EVALUATION = "AutoScalingFormulaEvaluationError"
SAMPLES = "InsufficientSampleData"

_MESSAGES = {
    SYNTAX: "The specified autoscaling formula has a syntax error",
    TOO_LONG: "The specified autoscaling formula exceeds the maximum length",
    EVALUATION: "Autoscale evaluation failed due to an error in the formula",
    # https://learn.microsoft.com/azure/batch/batch-pool-autoscale-event
    SAMPLES: "Autoscale evaluation failed due to insufficient sample data",
}

Position = tuple[int, int]
"""Line and column, both from 1."""


class FormulaError(Exception):
    """`code` tells whether the formula cannot be read (a request with it is refused) or could not be evaluated."""

    def __init__(self, code: str, detail: str, position: Position | None = None) -> None:
        where = f"Line {position[0]}, Col {position[1]}: " if position else ""
        self.code = code
        self.message = _MESSAGES[code]
        self.detail = f"{where}{detail}"
        super().__init__(f"{self.message}: {self.detail}")

    def as_json(self) -> dict[str, Any]:
        """An AutoScaleRunError, as a pool and an evaluation carry it."""
        return {
            "code": self.code,
            "message": self.message,
            "values": [{"name": "Message", "value": self.detail}],
        }
