"""The predefined functions. https://learn.microsoft.com/azure/batch/batch-automatic-scaling#functions

A doubleVecList is any mixture of doubles and vectors, taken as one vector. `stop` and `time` belong to the evaluator.
"""

import math
import random
import statistics
from collections.abc import Callable

from azure_batch_emulator.autoscale.errors import EVALUATION, FormulaError, Position
from azure_batch_emulator.autoscale.values import Value, Vector, type_name

_OVER_LISTS: dict[str, Callable[[Vector], float]] = {
    "avg": statistics.fmean,
    "max": max,
    "min": min,
    "range": lambda vector: max(vector) - min(vector),
    "std": lambda vector: statistics.stdev(vector) if len(vector) > 1 else 0.0,
}
_OVER_EMPTY_LISTS: dict[str, Callable[[Vector], float]] = {
    "len": lambda vector: float(len(vector)),
    "norm": lambda vector: math.hypot(*vector),
    "sum": math.fsum,
}
_LOGARITHMS = {"lg": math.log2, "ln": math.log, "log": math.log10}
NAMES = frozenset({*_OVER_LISTS, *_OVER_EMPTY_LISTS, *_LOGARITHMS, "percentile", "val", "vec", "rand"})


def call(name: str, arguments: list[Value], chance: random.Random, position: Position) -> Value:
    """The value of a function in NAMES; a FormulaError where the arguments are not its."""
    try:
        return _call(name, arguments, chance)
    except ValueError as error:
        given = ", ".join(type_name(argument) for argument in arguments)
        raise FormulaError(EVALUATION, f"{name}({given}): {error}", position) from error


def _call(name: str, arguments: list[Value], chance: random.Random) -> Value:
    if name in _OVER_LISTS:
        if not (vector := _flat(arguments)):
            raise ValueError("it has no value for an empty vector")
        return _OVER_LISTS[name](vector)
    if name in _OVER_EMPTY_LISTS:
        return _OVER_EMPTY_LISTS[name](_flat(arguments))
    if name in _LOGARITHMS:
        return _logarithm(name, arguments)
    if name == "vec":
        return _flat(arguments)
    if name == "rand":
        if arguments:
            raise ValueError("it takes no arguments")
        return chance.random()
    vector, number = _vector_and_number(arguments)
    return _element(vector, number) if name == "val" else _percentile(vector, number)


def _flat(arguments: list[Value]) -> Vector:
    found: list[float] = []
    for argument in arguments:
        if isinstance(argument, float):
            found.append(argument)
        elif isinstance(argument, tuple):
            found.extend(argument)
        else:
            raise ValueError("it takes doubles and vectors of doubles")  # noqa: TRY004 - becomes a FormulaError
    return tuple(found)


def _logarithm(name: str, arguments: list[Value]) -> Value:
    vector = _flat(arguments)
    if any(item <= 0 for item in vector):
        raise ValueError("a logarithm needs values above zero")
    found = tuple(_LOGARITHMS[name](item) for item in vector)
    return found[0] if len(arguments) == 1 and isinstance(arguments[0], float) else found


def _vector_and_number(arguments: list[Value]) -> tuple[Vector, float]:
    match arguments:
        case [tuple() as vector, float() as number]:
            return vector, number
        case _:
            raise ValueError("it takes a vector and a double")


def _element(vector: Vector, index: float) -> float:
    if not 0 <= index < len(vector):
        raise ValueError(f"there is no element {index:g} in a vector of {len(vector)}")
    return vector[int(index)]


def _percentile(vector: Vector, share: float) -> float:
    """The nearest rank: the least element that so many per cent do not exceed."""
    if not vector or not 0 <= share <= 100:
        raise ValueError("it takes a vector that is not empty, and a percentage from 0 to 100")
    return sorted(vector)[max(math.ceil(share / 100 * len(vector)), 1) - 1]
