"""What a request asks for, read from its path and query."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self, TypeVar

from starlette.requests import Request

from tasks.extract.sample_market.market import BARS

Format = Literal["json", "csv"]
Period = Literal["d", "w", "m"]
Order = Literal["a", "d"]
Actions = Literal["eod", "splits", "dividends"]


class RefusedError(Exception):
    """The request gets this status in place of what it asked for."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class EodQuery:
    code: str
    first: date
    last: date
    fmt: Format
    period: Period
    order: Order
    last_value: str | None  # of which field the bare value is wanted

    @classmethod
    def of(cls, request: Request) -> Self:
        query = request.query_params
        symbol = request.path_params["symbol"].upper()
        wanted = _one_of(query, "filter", ("", *(f"last_{name}" for name in BARS)))
        return cls(
            code=symbol if "." in symbol else f"{symbol}.US",
            first=_date(query, "from", date.min),
            last=_date(query, "to", date.max),
            fmt=_one_of(query, "fmt", FORMATS),
            period=_one_of(query, "period", PERIODS),
            order=_one_of(query, "order", ORDERS),
            last_value=wanted.removeprefix("last_") or None,
        )


@dataclass(frozen=True)
class BulkQuery:
    exchange: str
    day: date | None  # None: the last session
    names: tuple[str, ...]  # without suffix; none: all
    actions: Actions
    fmt: Format
    extended: bool

    @classmethod
    def of(cls, request: Request) -> Self:
        query = request.query_params
        names = query.get("symbols", "").upper().split(",")
        return cls(
            exchange=request.path_params["exchange"].upper(),
            day=_date(query, "date", date.min) if query.get("date") else None,
            names=tuple(name.strip().partition(".")[0] for name in names if name.strip()),
            actions=_one_of(query, "type", ACTIONS),
            fmt=_one_of(query, "fmt", FORMATS),
            extended=_one_of(query, "filter", ("", "extended")) == "extended",
        )


FORMATS: tuple[Format, ...] = ("csv", "json")
PERIODS: tuple[Period, ...] = ("d", "w", "m")
ORDERS: tuple[Order, ...] = ("a", "d")
ACTIONS: tuple[Actions, ...] = ("eod", "splits", "dividends")
Choice = TypeVar("Choice", bound=str)


def _one_of(query: Mapping[str, str], name: str, choices: tuple[Choice, ...]) -> Choice:
    """The first choice is the default."""
    value = query.get(name) or choices[0]
    for choice in choices:
        if choice == value:
            return choice
    raise RefusedError(422, f"The {name} {value!r} is none of {', '.join(c for c in choices if c)}.")


def _date(query: Mapping[str, str], name: str, default: date) -> date:
    value = query.get(name)
    try:
        return date.fromisoformat(value) if value else default
    except ValueError:
        raise RefusedError(422, f"The {name} {value!r} does not match the format YYYY-MM-DD.") from None
