"""Faults on demand: which call, node or task meets which trouble, by rate or number, the same for the same seed."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal[
    # Of the transport: what the protocol does to a call.
    "throttled",
    "busy",
    "internal",
    "reset",
    "slow",
    "answer_lost",
    # Of resources: what the emulated service does.
    "node_preempted",
    "node_failed",
    "node_unusable",
    "start_task_failed",
    "image_pull_failed",
    "out_of_capacity",
    "quota_reached",
    "delete_lingers",
]
KINDS: tuple[str, ...] = get_args(Kind)


class Fault(BaseModel):
    """One rule. The shell patterns (`*`, `?`) must all match what is given of operation, pool, job, node and task.

    `rate` is the probability per opportunity; `times` limits how often the fault is injected. Neither: always.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    operation: str = "*"
    pool: str = "*"
    job: str = "*"
    node: str = "*"
    task: str = "*"
    rate: float = Field(default=1.0, ge=0.0, le=1.0)
    times: int | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0.0)
    """How long it lasts: real seconds for `slow`, emulated seconds for resources."""
    retry_after: float | None = Field(default=None, ge=0.0)
    """For throttled and busy: the header Retry-After; None leaves it out."""
    message: str | None = None

    @model_validator(mode="after")
    def _slow_needs_seconds(self) -> "Fault":
        if self.kind == "slow" and self.seconds is None:
            raise ValueError("a slow answer needs 'seconds'")
        return self

    def matches(self, attributes: dict[str, str]) -> bool:
        """Whether the patterns fit; an attribute that is not given fits `*` only."""
        patterns = (("operation", self.operation), ("pool", self.pool), ("job", self.job), ("node", self.node))
        return all(
            pattern == "*" or fnmatchcase(attributes.get(name, ""), pattern)
            for name, pattern in (*patterns, ("task", self.task))
        )


class Faults:
    """The rules in force. A draw depends on seed, rule, what it is about and how often that was asked: not on time.

    So the same calls meet the same faults in every run, also when calls about different things change their order.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._rules: dict[int, Fault] = {}
        self._numbers = itertools.count(1)
        self._injected: Counter[int] = Counter()
        self._asked: Counter[tuple[int, str]] = Counter()

    def set(self, rules: Sequence[Fault]) -> None:
        """Replaces all rules and begins to count anew."""
        self.clear()
        for rule in rules:
            self.add(rule)

    def add(self, rule: Fault) -> int:
        """Adds a rule; returns its number."""
        number = next(self._numbers)
        self._rules[number] = rule
        return number

    def clear(self) -> None:
        """Forgets every rule and count."""
        self._rules.clear()
        self._injected.clear()
        self._asked.clear()
        self._numbers = itertools.count(1)

    def listed(self) -> list[dict[str, object]]:
        """The rules with their numbers and how often each was injected."""
        return [
            {"number": number, "injected": self._injected[number], **rule.model_dump(exclude_none=True)}
            for number, rule in self._rules.items()
        ]

    def draw(self, kind: str, **attributes: str) -> Fault | None:
        """The first rule of this kind that is due now, given what the opportunity is about (operation, pool, ...)."""
        for number, rule in self._rules.items():
            if rule.kind == kind and rule.matches(attributes) and self._is_due(number, rule, attributes):
                self._injected[number] += 1
                return rule
        return None

    def _is_due(self, number: int, rule: Fault, attributes: dict[str, str]) -> bool:
        if rule.times is not None and self._injected[number] >= rule.times:
            return False
        about = "|".join(f"{name}={attributes[name]}" for name in sorted(attributes))
        self._asked[number, about] += 1
        return self._chance(f"{self.seed}|{number}|{about}|{self._asked[number, about]}") < rule.rate

    @staticmethod
    def _chance(text: str) -> float:
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64
