"""What the operators do to which types: the documented table, and nothing else.

https://learn.microsoft.com/azure/batch/batch-automatic-scaling#operations
"""

import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from azure_batch_emulator.autoscale.errors import EVALUATION, FormulaError, Position
from azure_batch_emulator.autoscale.values import Value, Vector, type_name

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "!=": operator.ne,
}
_TIMES: dict[tuple[type, str, type], Callable[[Any, Any], Value]] = {
    (float, "*", timedelta): operator.mul,
    (timedelta, "*", float): operator.mul,
    (timedelta, "/", float): operator.truediv,
    (timedelta, "+", timedelta): operator.add,
    (timedelta, "-", timedelta): operator.sub,
    (timedelta, "+", datetime): operator.add,
    (datetime, "+", timedelta): operator.add,
    (datetime, "-", datetime): operator.sub,
}


def binary(sign: str, left: Value, right: Value, position: Position) -> Value:
    try:
        found = _binary(sign, left, right)
    except ZeroDivisionError as error:
        raise FormulaError(EVALUATION, "Division by zero", position) from error
    except OverflowError as error:
        raise FormulaError(EVALUATION, f"The result of {sign!r} is out of range", position) from error
    if found is None:
        types = f"{type_name(left)} and {type_name(right)}"
        raise FormulaError(EVALUATION, f"Operator {sign!r} is not defined for {types}", position)
    return found


def unary(sign: str, operand: Value, position: Position) -> Value:
    if isinstance(operand, float):
        return -operand if sign == "-" else float(not operand)
    if isinstance(operand, timedelta) and sign == "-":
        return -operand
    raise FormulaError(EVALUATION, f"Operator {sign!r} is not defined for {type_name(operand)}", position)


def _binary(sign: str, left: Value, right: Value) -> Value | None:
    if sign in _COMPARISONS:
        comparable = type(left) is type(right) and not isinstance(left, tuple)
        return float(_COMPARISONS[sign](left, right)) if comparable else None
    if times := _TIMES.get((type(left), sign, type(right))):
        return times(left, right)
    if isinstance(left, float) and isinstance(right, float):
        return _ARITHMETIC[sign](left, right)
    if isinstance(left, tuple) and isinstance(right, float):
        return tuple(_ARITHMETIC[sign](item, right) for item in left)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return _by_component(sign, left, right)
    return None


def _by_component(sign: str, left: Vector, right: Vector) -> Vector | None:
    if len(left) != len(right):
        return None
    return tuple(_ARITHMETIC[sign](first, second) for first, second in zip(left, right, strict=True))
