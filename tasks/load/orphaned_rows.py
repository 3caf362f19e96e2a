"""Rows of a partition that a table has and the lake has not, for when the snapshot that they came from is gone."""

from datetime import date

import polars as pl
import sqlalchemy as sa

from tasks.database.connection import Connection
from tasks.datasets import Dataset, shard_of

_ROWS = 100_000  # at once


def find_orphaned_rows(
    connection: Connection, table: sa.Table, dataset: Dataset, partition: str, keys: pl.DataFrame
) -> pl.DataFrame:
    """The keys of the rows that the table has of the partition, beside these.

    None where the name of the partition does not tell which rows are its own: see `Dataset.place`."""
    place = dataset.place(partition)
    orphaned = [keys.clear()]
    if place and (dataset.period is None or dataset.period in table.c):
        year, shard = place
        types = {name: dataset.polars_schema[name] for name in keys.columns}
        for batch in connection.batches(_keys(table, dataset, keys.columns, year), _ROWS):
            found = connection.dialect.restored(batch, types).cast(keys.schema)
            orphaned.append(_of_shard(found, dataset, shard).join(keys, on=keys.columns, how="anti"))
    return pl.concat(orphaned)


def _keys(table: sa.Table, dataset: Dataset, names: list[str], year: int | None) -> sa.ClauseElement:
    query = sa.select(*(table.c[name] for name in names))
    if dataset.period is None or year is None:
        return query
    return query.where(table.c[dataset.period].between(date(year, 1, 1), date(year, 12, 31)))


def _of_shard(rows: pl.DataFrame, dataset: Dataset, shard: int) -> pl.DataFrame:
    if dataset.shards == 1:
        return rows
    codes = rows.get_column("code").unique()
    mine = [code for code in codes if shard_of(code, dataset.shards) == shard]
    return rows.filter(pl.col("code").is_in(mine))
