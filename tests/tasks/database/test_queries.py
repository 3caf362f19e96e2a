"""Conformance: a query's values are bound, and one that makes no sense is refused in words, whatever the database."""

from collections.abc import Iterator
from datetime import date

import pytest
from pydantic import SecretStr

from tasks.database import Stream, open_stream
from tasks.errors import ConfigurationError
from tasks.load.warehouse import open_warehouse
from tests.tasks.warehouses.examples import QUOTES, part, quotes


@pytest.fixture
def stream(warehouse_url: str) -> Iterator[Stream]:
    """Queries of a database with three quotes, one row in a frame."""
    with open_warehouse(warehouse_url) as warehouse:
        warehouse.load(QUOTES, [part("s1", quotes(("A'", 1, 1.0, 1), ("B", 2, 2.0, None), ("C", 3, 3.0, 3)))], run="r")
    with open_stream(SecretStr(warehouse_url), rows_per_frame=1) as opened:
        yield opened


def test_values_of_a_query_are_bound(stream: Stream) -> None:
    def codes(where: str, **params: object) -> list[str]:
        frames = stream(f"SELECT code FROM quotes WHERE {where} ORDER BY code", params)
        return [code for frame in frames for (code,) in frame.rows()]

    assert codes("code = :code", code="A'") == ["A'"]
    assert codes("code = :code", code="' OR 1=1 --") == []
    assert codes("day >= :first AND day < :last", first=date(2024, 1, 2), last=date(2024, 1, 3)) == ["B"]
    assert codes("code IN :codes AND close > :low", codes=["A'", "B", "C"], low=1.5) == ["B", "C"]
    assert codes("volume = :volume OR :volume IS NULL", volume=None) == ["A'", "B", "C"]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 'secret' FROM nowhere", r"refuses the query.*nowhere"),
        (" ;\n", "query is empty"),
        ("SELECT :a, :b", r"takes the parameters \['a', 'b'\], but was given \['b', 'c'\]"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(stream: Stream, sql: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as raised:
        list(stream(sql, {"b": 1, "c": 2} if ":" in sql else {}))
    assert "secret" not in str(raised.value)


def test_frames_have_a_row_or_more(warehouse_url: str) -> None:
    with (
        open_stream(SecretStr(warehouse_url), rows_per_frame=0) as stream,
        pytest.raises(ConfigurationError, match="frames of 0 rows"),
    ):
        stream("SELECT 1", {})
