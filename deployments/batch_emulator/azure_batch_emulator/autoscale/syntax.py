"""The tree of a formula. Positions are those that a message names."""

from dataclasses import dataclass

from azure_batch_emulator.autoscale.errors import Position


@dataclass(frozen=True)
class Literal:
    value: float | str
    position: Position


@dataclass(frozen=True)
class Name:
    name: str
    position: Position


@dataclass(frozen=True)
class Unary:
    operator: str
    operand: "Expression"
    position: Position


@dataclass(frozen=True)
class Binary:
    operator: str
    left: "Expression"
    right: "Expression"
    position: Position


@dataclass(frozen=True)
class Choice:
    """`condition ? then : otherwise`; only the chosen side is evaluated."""

    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"
    position: Position


@dataclass(frozen=True)
class Member:
    """`now.hour`"""

    owner: "Expression"
    name: str
    position: Position


@dataclass(frozen=True)
class Call:
    """`avg(...)`, or a method of a metric when `owner` is given: `$PendingTasks.GetSample(...)`."""

    owner: "Expression | None"
    name: str
    arguments: "tuple[Expression, ...]"
    position: Position


Expression = Literal | Name | Unary | Binary | Choice | Member | Call


@dataclass(frozen=True)
class Statement:
    """`target = value`, or an expression alone when `target` is None."""

    target: str | None
    value: Expression
    position: Position
