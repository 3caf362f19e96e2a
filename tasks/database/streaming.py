"""The answer to a query in batches, so that no more than one is in memory."""

from collections.abc import Iterator

import polars as pl

from tasks.database.connection import Connection
from tasks.database.dialects.dialect import Query


def batches(connection: Connection, query: Query, rows: int) -> Iterator[pl.DataFrame]:
    """Batches of exactly so many rows, and a last one of fewer; of an empty answer, one without rows.

    Inside a transaction, in which nothing else is done until the last batch has come.
    """
    rest = pl.DataFrame()
    nothing_yet = True
    for piece in _pieces(connection, query, rows):
        rest = pl.concat([rest, piece]) if rest.width else piece
        while rest.height >= rows:
            yield rest.head(rows).rechunk()
            nothing_yet = False
            rest = rest.slice(rows)
    if nothing_yet or rest.height:
        yield rest


def _pieces(connection: Connection, query: Query, rows: int) -> Iterator[pl.DataFrame]:
    prepared, example_rows = connection.dialect.prepared(query, connection.batches)
    scroll = connection.dialect.scroll(prepared, rows)
    if scroll is None:
        for piece in connection.batches(prepared, rows):
            yield piece.slice(example_rows)
            example_rows = max(0, example_rows - piece.height)
        return
    opening, following = scroll
    connection.execute(opening)
    piece = connection.fetch(following)
    yield piece
    while piece.height == rows:
        piece = connection.fetch(following)
        yield piece
