"""Text of a template expression, `[format('{0}-x', parameters('name'))]`, to a tree."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>[()\[\],.]))")


class TemplateError(Exception):
    """The template says what Azure would refuse, or what this evaluator does not know."""


@dataclass(frozen=True)
class Literal:
    value: str | int


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Member:
    target: "Node"
    name: str


@dataclass(frozen=True)
class Item:
    target: "Node"
    index: "Node"


Node = Literal | Call | Member | Item


def is_expression(text: str) -> bool:
    """`[[` stands for a bracket that is meant as one."""
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


@functools.cache
def parse(text: str) -> Node:
    """The tree of a text for which is_expression holds. Raises TemplateError."""
    parser = _Parser(text[1:-1])
    node = parser.node()
    if parser.tokens:
        raise TemplateError(f"{text}: {parser.tokens[0]} is not expected there")
    return node


def calls(node: Node) -> Iterator[Call]:
    """All function calls in the tree, taken or not when it is evaluated."""
    match node:
        case Call(_, arguments):
            yield node
            for argument in arguments:
                yield from calls(argument)
        case Member(target, _):
            yield from calls(target)
        case Item(target, index):
            yield from calls(target)
            yield from calls(index)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))

    def node(self) -> Node:
        node = self._first()
        while self.tokens and self.tokens[0] in (".", "["):
            if self._next() == ".":
                node = Member(node, self._next())
            else:
                node = Item(node, self.node())
                self._expect("]")
        return node

    def _first(self) -> Node:
        token = self._next()
        if token.startswith("'"):
            return Literal(token[1:-1].replace("''", "'"))
        if token.lstrip("-").isdigit():
            return Literal(int(token))
        self._expect("(")
        arguments: list[Node] = []
        while self.tokens and self.tokens[0] != ")":
            arguments.append(self.node())
            if self.tokens and self.tokens[0] == ",":
                self._next()
        self._expect(")")
        return Call(token, tuple(arguments))

    def _next(self) -> str:
        if not self.tokens:
            raise TemplateError("an expression ends too early")
        return self.tokens.pop(0)

    def _expect(self, sign: str) -> None:
        if (found := self._next()) != sign:
            raise TemplateError(f"{found} stands where {sign} is expected")


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if not found:
            raise TemplateError(f"{text[place:]} is not understood")
        place = found.end()
        yield str(found[found.lastgroup or 0])
