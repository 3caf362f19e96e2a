"""`$filter` as a predicate over resources: conditions joined by and/or, properties from closed lists."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.odata.filter_properties import ALIASES, FILTERS, FilterProperty

Predicate = Callable[[JsonObject], bool]
Value = str | float | bool

_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<comma>,)|(?P<date>[Dd]ate[Tt]ime'[^']*')|(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][\w/]*))"
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "gt", "ge", "lt", "le")
}


def parse_filter(text: str, kind: str) -> Predicate:
    """The predicate of a `$filter` over resources of a listing's `kind`.

    A comparison with a property that the resource does not have is false, except `ne`.
    Raises: BatchError InvalidQueryParameterValue for a syntax, property, operator or literal that is not the service's.
    """
    parser = _Parser(text, FILTERS.get(kind, {}), _tokens(text))
    return parser.whole()


def invalid_query(name: str, value: str, reason: str) -> BatchError:
    """A query parameter's value that cannot be used."""
    return BatchError(
        "InvalidQueryParameterValue",
        values={"QueryParameterName": name, "QueryParameterValue": value, "Reason": reason},
    )


def comparable_time(text: str) -> str:
    """An ISO time in UTC in a form whose order as text is the order in time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is not an ISO 8601 time") from None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    fraction = re.search(r"\.(\d+)", text)
    return _stored_time(f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction.group(1) if fraction else ''}Z")


def _stored_time(text: str) -> str:
    # Resources carry UTC times with up to seven digits and no trailing zeros, which sort as text once Z is gone.
    text = text.rstrip("Z")
    return text.rstrip("0").rstrip(".") if "." in text else text


_NORMAL: Mapping[str, Callable[[Any], Any]] = {
    "String": lambda value: str(value).lower(),
    "DateTime": _stored_time,
    "Int": float,
    "Boolean": bool,
}


@dataclass
class _Parser:
    text: str
    properties: Mapping[str, FilterProperty]
    tokens: list[tuple[str, str]]
    position: int = 0

    def whole(self) -> Predicate:
        predicate = self._either()
        if self.position != len(self.tokens):
            raise self._bad(f"unexpected '{self.tokens[self.position][1]}'")
        return predicate

    def _either(self) -> Predicate:
        predicate = self._both()
        while self._word("or"):
            predicate = _any_of(predicate, self._both())
        return predicate

    def _both(self) -> Predicate:
        predicate = self._clause()
        while self._word("and"):
            predicate = _all_of(predicate, self._clause())
        return predicate

    def _clause(self) -> Predicate:
        kind, value = self._next()
        if kind == "open":
            predicate = self._either()
            self._expect("close")
            return predicate
        if kind != "word":
            raise self._bad(f"a property was expected where '{value}' stands")
        if value.lower() == "startswith":
            return self._starts_with()
        sign = self._next()[1].lower()
        return _comparison(self._path(value, sign), sign, self._literal(value), self.properties[value].kind)

    def _starts_with(self) -> Predicate:
        self._expect("open")
        name = self._expect("word")
        path = self._path(name, "startswith")
        self._expect("comma")
        prefix = str(self._literal(name)).lower()
        self._expect("close")
        return lambda item: str(_lookup(item, path) or "").lower().startswith(prefix)

    def _path(self, name: str, sign: str) -> tuple[str, ...]:
        known = self.properties.get(name)
        if known is None:
            raise self._bad(
                f"the property '{name}' cannot be filtered on; allowed: {', '.join(self.properties) or 'none'}"
            )
        if sign not in known.operators:
            raise self._bad(f"the operator '{sign}' is not supported for the property '{name}'")
        return tuple(ALIASES.get(name, name).split("/"))

    def _literal(self, name: str) -> Value:
        kind, text = self._next()
        wanted = self.properties[name].kind
        if wanted == "DateTime" and kind == "date":
            return self._time(text[text.index("'") + 1 : -1])
        if wanted == "String" and kind == "text":
            return text[1:-1].replace("''", "'").lower()
        if wanted == "Int" and kind == "number":
            return float(text)
        if wanted == "Boolean" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise self._bad(f"'{text}' is not a {wanted} literal, as the property '{name}' needs")

    def _time(self, text: str) -> str:
        try:
            return comparable_time(text)
        except ValueError as error:
            raise self._bad(str(error)) from None

    def _next(self) -> tuple[str, str]:
        if self.position >= len(self.tokens):
            raise self._bad("it ends too early")
        self.position += 1
        return self.tokens[self.position - 1]

    def _expect(self, kind: str) -> str:
        found, value = self._next()
        if found != kind:
            raise self._bad(f"unexpected '{value}'")
        return value

    def _word(self, word: str) -> bool:
        if self.position < len(self.tokens) and self.tokens[self.position][1].lower() == word:
            self.position += 1
            return True
        return False

    def _bad(self, reason: str) -> BatchError:
        return invalid_query("$filter", self.text, f"The filter clause is not valid: {reason}.")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise invalid_query("$filter", text, f"The filter clause is not valid at '{text[position:]}'.")
        tokens.append((found.lastgroup, found.group(found.lastgroup)))
        position = found.end()
    return tokens


def _comparison(path: tuple[str, ...], sign: str, literal: Value, kind: str) -> Predicate:
    compare, normal = _COMPARE[sign], _NORMAL[kind]

    def holds(item: JsonObject) -> bool:
        value = _lookup(item, path)
        return sign == "ne" if value is None else compare(normal(value), literal)

    return holds


def _lookup(item: JsonObject, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = item
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _any_of(left: Predicate, right: Predicate) -> Predicate:
    return lambda item: left(item) or right(item)


def _all_of(left: Predicate, right: Predicate) -> Predicate:
    return lambda item: left(item) and right(item)
