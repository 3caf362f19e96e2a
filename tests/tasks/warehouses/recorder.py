"""A connection that keeps the T-SQL of a load, with the answers of a server whose tables are as the test says."""

from collections.abc import Generator
from dataclasses import dataclass, field

import polars as pl
import sqlalchemy as sa

from tasks.database.dialects.sqlserver.dialect import SqlServer
from tasks.database.dialects.statements import compiled
from tasks.database.odbc import bulk
from tasks.load.ledger import LOADS, Loads

_LEDGER = pl.DataFrame(schema={name: column.dtype for name, column in Loads.columns().items()})


@dataclass
class Recorder:
    """`tables` are there already; so many of the rows staged are in the target, and so many of those differ."""

    tables: dict[str, list[tuple[str, str, bool, int]]]  # columns: name, type, required, place in the key
    matched: int = 0
    differing: int = 0
    dialect: SqlServer = field(default_factory=lambda: SqlServer("SQL Server database test at nowhere", 30.0))
    statements: list[str] = field(default_factory=list)
    staged: int = 0

    def execute(self, statement: sa.ClauseElement) -> int:
        text = self._kept(statement)
        if text.startswith("UPDATE"):
            return self.differing
        # To append is to insert whatever is staged.
        there = self.matched if "EXISTS" in text else 0
        return self.staged - there if text.startswith("INSERT") else 0

    def fetch(self, statement: sa.ClauseElement) -> pl.DataFrame:
        text = self._kept(statement)
        if "INFORMATION_SCHEMA.TABLES" in text:
            return pl.DataFrame({"name": list(self.tables)})
        if "INFORMATION_SCHEMA" in text:
            (name,) = compiled(statement, self.dialect)[1].values()
            return _described(self.tables.get(str(name), []))
        if "TOP 1" in text:
            return pl.DataFrame({"": [1] if self.matched else []})
        if "AS matched" in text:
            return pl.DataFrame({"matched": [self.matched], "differing": [self.differing]})
        return _LEDGER if f"FROM {LOADS}" in text else pl.DataFrame({"": [self.staged]})

    def batches(self, statement: sa.ClauseElement, rows: int) -> Generator[pl.DataFrame]:
        yield self.fetch(statement)

    def ingest(self, table: sa.Table, rows: pl.DataFrame) -> int:
        self.statements.append(bulk.insert(table, self.dialect.stored(rows), self.dialect))
        self.staged = rows.height
        return rows.height

    def close(self) -> None: ...

    def _kept(self, statement: sa.ClauseElement) -> str:
        self.statements.append(compiled(statement, self.dialect)[0])
        return self.statements[-1].lstrip()


def _described(columns: list[tuple[str, str, bool, int]]) -> pl.DataFrame:
    schema = {"name": pl.String, "type": pl.String, "required": pl.Boolean, "key": pl.Int64}
    return pl.DataFrame(columns, schema, orient="row").with_columns(has_default=pl.lit(value=False))
