"""Text of a formula to tokens: numbers, strings, names with or without `$`, operators. `//` begins a comment."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from azure_batch_emulator.autoscale.errors import SYNTAX, FormulaError, Position

Kind = Literal["number", "string", "name", "operator", "end"]

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>"[^"\n]*")
      | (?P<name>\$?[A-Za-z_][A-Za-z0-9_]*)
      | (?P<operator><=|>=|==|!=|&&|\|\||[-+*/<>=!?:;,.()])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    kind: Kind
    text: str
    position: Position


def tokens(formula: str) -> Iterator[Token]:
    """All of them and an `end`; a FormulaError for a character that begins none."""
    at, line, line_start = 0, 1, 0
    while at < len(formula):
        found = _TOKEN.match(formula, at)
        position = (line, at - line_start + 1)
        if found is None:
            raise FormulaError(SYNTAX, f"Unexpected character {formula[at]!r}", position)
        if found.lastgroup != "blank":
            yield Token(cast("Kind", found.lastgroup), found[0], position)
        if "\n" in found[0]:
            line += found[0].count("\n")
            line_start = at + found[0].rindex("\n") + 1
        at = found.end()
    yield Token("end", "", (line, at - line_start + 1))
