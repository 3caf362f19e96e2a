"""Tokens to a tree, by precedence climbing. The grammar is that of the documented examples, with C's precedences."""

from azure_batch_emulator.autoscale import syntax
from azure_batch_emulator.autoscale.errors import SYNTAX, TOO_LONG, FormulaError
from azure_batch_emulator.autoscale.lexer import Token, tokens

MAX_BYTES = 8 * 1024
MAX_STATEMENTS = 100
_PRECEDENCE = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!="), 3),
    **dict.fromkeys(("<", "<=", ">", ">="), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/"), 6),
}


def parse(formula: str) -> tuple[syntax.Statement, ...]:
    """The statements; a FormulaError that says where for anything that is none, or for too many of them."""
    size = len(formula.encode())
    if size > MAX_BYTES:
        raise FormulaError(TOO_LONG, f"The formula has {size} bytes, and {MAX_BYTES} are allowed")
    try:
        statements = _Parser(formula).statements()
    except RecursionError as error:
        raise FormulaError(SYNTAX, "An expression is nested too deeply") from error
    if not statements:
        raise FormulaError(SYNTAX, "The formula has no statement", (1, 1))
    if len(statements) > MAX_STATEMENTS:
        raise FormulaError(TOO_LONG, f"The formula has {len(statements)} statements, and {MAX_STATEMENTS} are allowed")
    return statements


class _Parser:
    def __init__(self, formula: str) -> None:
        self._tokens = list(tokens(formula))
        self._at = 0

    def statements(self) -> tuple[syntax.Statement, ...]:
        found = []
        while not self._ended:
            if self._accept(";"):
                continue
            found.append(self._statement())
            if not self._ended:
                self._expect(";")
        return tuple(found)

    def _statement(self) -> syntax.Statement:
        first = self._next
        if first.kind == "name" and self._tokens[self._at + 1].text == "=":
            self._at += 2
            return syntax.Statement(first.text, self._expression(), first.position)
        return syntax.Statement(None, self._expression(), first.position)

    def _expression(self) -> syntax.Expression:
        value = self._binary(1)
        if mark := self._accept("?"):
            then = self._expression()
            self._expect(":")
            return syntax.Choice(value, then, self._expression(), mark.position)
        return value

    def _binary(self, least: int) -> syntax.Expression:
        left = self._unary()
        while _PRECEDENCE.get(self._next.text, 0) >= least and self._next.kind == "operator":
            operator = self._take()
            right = self._binary(_PRECEDENCE[operator.text] + 1)
            left = syntax.Binary(operator.text, left, right, operator.position)
        return left

    def _unary(self) -> syntax.Expression:
        operators = []
        while sign := self._accept("-") or self._accept("!"):
            operators.append(sign)
        value = self._postfix()
        for sign in reversed(operators):
            value = syntax.Unary(sign.text, value, sign.position)
        return value

    def _postfix(self) -> syntax.Expression:
        value = self._primary()
        while self._accept("."):
            name = self._take()
            if name.kind != "name":
                raise FormulaError(SYNTAX, f"Expected the name of a member, not {_shown(name)}", name.position)
            if bracket := self._accept("("):
                value = syntax.Call(value, name.text, self._arguments(), bracket.position)
            else:
                value = syntax.Member(value, name.text, name.position)
        return value

    def _primary(self) -> syntax.Expression:
        token = self._take()
        if token.kind == "number":
            return syntax.Literal(float(token.text), token.position)
        if token.kind == "string":
            return syntax.Literal(token.text[1:-1], token.position)
        if token.kind == "name":
            if self._accept("("):
                return syntax.Call(None, token.text, self._arguments(), token.position)
            return syntax.Name(token.text, token.position)
        if token.text == "(":
            value = self._expression()
            self._expect(")")
            return value
        raise FormulaError(SYNTAX, f"Expected a value, not {_shown(token)}", token.position)

    def _arguments(self) -> tuple[syntax.Expression, ...]:
        if self._accept(")"):
            return ()
        found = [self._expression()]
        while self._accept(","):
            found.append(self._expression())
        self._expect(")")
        return tuple(found)

    @property
    def _ended(self) -> bool:
        return self._next.kind == "end"

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._at += 1
        return token

    def _accept(self, operator: str) -> Token | None:
        if self._next.kind == "operator" and self._next.text == operator:
            return self._take()
        return None

    def _expect(self, operator: str) -> None:
        if self._accept(operator) is None:
            raise FormulaError(SYNTAX, f"Expected {operator!r}, not {_shown(self._next)}", self._next.position)


def _shown(token: Token) -> str:
    return "the end of the formula" if token.kind == "end" else repr(token.text)
