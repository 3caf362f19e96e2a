"""What PostgreSQL's ODBC driver makes something else of, found out by the server before it is asked for.

Of a day that Python does not have it makes today; it rounds money, and has identifiers below zero."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from tasks.database.dialects.dialect import Answers, Query
from tasks.database.dialects.refusal import no_time, refuse_types

_OTHER_NUMBERS = ("money", "oid", "xid")
_LAST: Mapping[Any, str] = {  # and the first is of the year 1
    pl.Date: "'9999-12-31'",
    pl.Datetime: "'9999-12-31 23:59:59.999999'",
    pl.Time: "'23:59:59.999999'",
}


def check(query: Query, answers: Answers) -> None:
    """Raises ConfigurationError for columns of such types, ContractError for such values."""
    answer = (query.columns() if isinstance(query, sa.TextClause) else query).subquery("answer")
    everything: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(answer)
    schema = next(answers(everything.limit(sa.literal_column("0")), 1)).schema
    refuse_types(
        {name: kind for name, kind in _types(answer, schema.names(), answers).items() if kind in _OTHER_NUMBERS}
    )
    times = {name: dtype for name, dtype in schema.items() if dtype.base_type() in _LAST}
    if not times:
        return
    wrong = [sa.func.count(sa.case((_is_other(name, dtype), sa.literal_column("1")))) for name, dtype in times.items()]
    found = next(answers(sa.select(*wrong).select_from(answer), 1)).row(0)
    for (name, dtype), count in zip(times.items(), found, strict=True):
        if count:
            raise no_time(name, str(dtype.base_type()).lower())


def _types(answer: sa.FromClause, names: Sequence[str], answers: Answers) -> Mapping[str, str]:
    """By the server's names; no row of the answer is worked out for it."""
    nothing = sa.select(sa.literal_column("1").label("one")).subquery("nothing").outerjoin(answer, sa.false())
    kinds = [sa.cast(sa.func.pg_typeof(_column(name)), sa.Text).label(f"type_{n}") for n, name in enumerate(names)]
    return dict(zip(names, next(answers(sa.select(*kinds).select_from(nothing), 1)).row(0), strict=True))


def _is_other(name: str, dtype: pl.DataType) -> sa.ColumnElement[bool]:
    last = _column(name) > sa.literal_column(_LAST[dtype.base_type()])
    return last if dtype == pl.Time else sa.or_(last, _column(name) < sa.literal_column("'0001-01-01'"))


def _column(name: str) -> sa.ColumnElement[Any]:
    return sa.column(sa.sql.quoted_name(name, quote=True))
