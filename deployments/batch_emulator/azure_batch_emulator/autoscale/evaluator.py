"""A formula, the samples and an instant to the targets of a pool."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from azure_batch_emulator.autoscale import functions, operators, syntax
from azure_batch_emulator.autoscale.errors import EVALUATION, FormulaError, Position
from azure_batch_emulator.autoscale.parser import parse
from azure_batch_emulator.autoscale.samples import METRICS, NUMBERS, TARGETS, Metric, Metrics
from azure_batch_emulator.autoscale.values import (
    CONSTANTS,
    DEALLOCATION_OPTIONS,
    MEMBERS,
    Value,
    timestamp,
    type_name,
    written,
)

OPTION = "$NodeDeallocationOption"
# The full name takes precedence where both are set.
_ALIASES = {"$TargetDedicated": "$TargetDedicatedNodes", "$TargetLowPriority": "$TargetLowPriorityNodes"}


@dataclass(frozen=True)
class Evaluation:
    """What a pool is to become. `results` is the service's text of it, with the formula's own variables."""

    target_dedicated: int
    target_low_priority: int
    deallocation_option: str
    results: str


def run(formula: str, metrics: Metrics, now: datetime) -> Evaluation:
    """Evaluates at an aware instant. A FormulaError says where it failed; the pool then stays as it is.

    `rand()` is drawn from the instant: the same formula, samples and instant give the same.
    """
    evaluator = _Evaluator(metrics, now)
    evaluator.run(parse(formula))
    return evaluator.evaluation()


def unchanged(metrics: Metrics) -> Evaluation:
    """What an evaluation that failed reports as its results: the targets that stay."""
    dedicated, low_priority = (int(_latest(metrics, name)) for name in TARGETS)
    return _evaluation(dedicated, low_priority, DEALLOCATION_OPTIONS[0], {})


class _Stopped(Exception):  # noqa: N818 - stop() is no error
    """The formula called stop()."""


class _Evaluator:
    def __init__(self, metrics: Metrics, now: datetime) -> None:
        self._metrics = metrics
        self._now = now
        self._chance = random.Random(now.isoformat())  # noqa: S311 - a formula's dice
        self._variables: dict[str, Value] = {}

    def run(self, statements: tuple[syntax.Statement, ...]) -> None:
        try:
            for statement in statements:
                self._execute(statement)
        except _Stopped:
            return
        except RecursionError as error:
            raise FormulaError(EVALUATION, "An expression is too long") from error

    def evaluation(self) -> Evaluation:
        dedicated, low_priority = (self._target(name) for name in TARGETS)
        own = {name: value for name, value in self._variables.items() if name not in {*TARGETS, *_ALIASES, OPTION}}
        option = self._variables.get(OPTION, DEALLOCATION_OPTIONS[0])
        return _evaluation(dedicated, low_priority, str(option), own)

    def _target(self, name: str) -> int:
        alias = next(short for short, long in _ALIASES.items() if long == name)
        value = self._variables.get(name, self._variables.get(alias))
        if value is None:
            return int(_latest(self._metrics, name))
        if not isinstance(value, float) or not math.isfinite(value) or value < 0:
            raise FormulaError(EVALUATION, f"{name} must be a number of nodes, and is {written(value)}")
        return int(value)

    def _execute(self, statement: syntax.Statement) -> None:
        value = self._value(statement.value)
        name = statement.target
        if name is None:
            return
        if name in CONSTANTS or (name in METRICS and name not in TARGETS):
            raise FormulaError(EVALUATION, f"{name} cannot be assigned", statement.position)
        if name == OPTION and value not in DEALLOCATION_OPTIONS:
            allowed = ", ".join(DEALLOCATION_OPTIONS)
            raise FormulaError(EVALUATION, f"{OPTION} is one of {allowed}", statement.position)
        if name in {*TARGETS, *_ALIASES} and not isinstance(value, float):
            detail = f"{name} takes a double, and not a {type_name(value)}"
            raise FormulaError(EVALUATION, detail, statement.position)
        self._variables[name] = value

    def _value(self, expression: syntax.Expression) -> Value:  # noqa: PLR0911 - one line for each kind of expression
        match expression:
            case syntax.Literal():
                return expression.value
            case syntax.Name():
                return self._name(expression.name, expression.position)
            case syntax.Unary():
                return operators.unary(expression.operator, self._value(expression.operand), expression.position)
            case syntax.Binary(operator="&&" | "||"):
                return self._logic(expression)
            case syntax.Binary():
                left, right = self._value(expression.left), self._value(expression.right)
                return operators.binary(expression.operator, left, right, expression.position)
            case syntax.Choice():
                chosen = self._truth(expression.condition, expression.position)
                return self._value(expression.then if chosen else expression.otherwise)
            case syntax.Member():
                return self._member(expression)
            case syntax.Call():
                return self._call(expression)

    def _name(self, name: str, position: Position) -> Value:
        if name in self._variables:
            return self._variables[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in NUMBERS or name in _ALIASES:
            return _latest(self._metrics, _ALIASES.get(name, name))
        if name in METRICS:
            raise FormulaError(EVALUATION, f"{name} is no number: take {name}.GetSample(...) of it", position)
        raise FormulaError(EVALUATION, f"Unknown identifier {name}", position)

    def _logic(self, expression: syntax.Binary) -> float:
        """C's: the right side is not looked at where the left one decides."""
        left = self._truth(expression.left, expression.position)
        if left == (expression.operator == "||"):
            return float(left)
        return float(self._truth(expression.right, expression.position))

    def _truth(self, expression: syntax.Expression, position: Position) -> bool:
        value = self._value(expression)
        if not isinstance(value, float):
            raise FormulaError(EVALUATION, f"A condition is a double, and not a {type_name(value)}", position)
        return value != 0

    def _member(self, expression: syntax.Member) -> Value:
        owner = self._value(expression.owner)
        if isinstance(owner, datetime) and expression.name in MEMBERS:
            return float(MEMBERS[expression.name](owner))
        raise FormulaError(EVALUATION, f"A {type_name(owner)} has no member {expression.name}", expression.position)

    def _call(self, call: syntax.Call) -> Value:
        arguments = [self._value(argument) for argument in call.arguments]
        if call.owner is not None:
            return self._metric(call.owner, call.position).call(call.name, arguments, call.position)
        if call.name in functions.NAMES:
            return functions.call(call.name, arguments, self._chance, call.position)
        own: dict[str, Callable[[list[Value], Position], Value]] = {"time": self._time, "stop": self._stop}
        if call.name not in own:
            raise FormulaError(EVALUATION, f"Unknown function {call.name}", call.position)
        return own[call.name](arguments, call.position)

    def _metric(self, owner: syntax.Expression, position: Position) -> Metric:
        if isinstance(owner, syntax.Name) and owner.name in METRICS:
            return Metric(owner.name, self._metrics.samples(owner.name), self._now)
        raise FormulaError(EVALUATION, "Only a service-defined metric has methods", position)

    def _time(self, arguments: list[Value], position: Position) -> Value:
        match arguments:
            case [] | [""]:
                return self._now
            case [str() as text]:
                try:
                    return timestamp(text)
                except ValueError as error:
                    detail = f"time({text!r}): it is neither W3C-DTF nor RFC 1123"
                    raise FormulaError(EVALUATION, detail, position) from error
        raise FormulaError(EVALUATION, "time() takes a string or nothing", position)

    def _stop(self, arguments: list[Value], position: Position) -> Value:
        if arguments:
            raise FormulaError(EVALUATION, "stop() takes no arguments", position)
        raise _Stopped


def _latest(metrics: Metrics, name: str) -> float:
    """What a number that stands alone means: zero before anything is known."""
    samples = metrics.samples(name)
    return float(samples[-1][1]) if samples else 0.0


def _evaluation(dedicated: int, low_priority: int, option: str, own: dict[str, Value]) -> Evaluation:
    parts = [f"$TargetDedicatedNodes={dedicated}", f"$TargetLowPriorityNodes={low_priority}", f"{OPTION}={option}"]
    parts += [f"{name}={written(value)}" for name, value in sorted(own.items())]
    return Evaluation(dedicated, low_priority, option, ";".join(parts))
