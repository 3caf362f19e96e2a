"""The ledger `etl_loads`: which snapshot of which partition a table has. And `etl_runs`: one row per flow run."""

from datetime import UTC, date, datetime, timedelta
from typing import Self

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.database.connection import Connection
from tasks.load import contract, staging
from tasks.load.request import Part

LOADS = "etl_loads"
RUNS = "etl_runs"


class Loads(dy.Schema):
    """One row per snapshot that was loaded. The latest of a partition is what the table has."""

    dataset = dy.String(primary_key=True, max_length=60)
    partition = dy.String(primary_key=True, max_length=200)
    snapshot = dy.String(primary_key=True, max_length=100)
    rows = dy.Int64()  # that were read to bring the table to this snapshot
    run = dy.String(max_length=100)
    loaded_at = dy.Datetime(time_unit="us", time_zone="UTC")


class Runs(dy.Schema):
    """One row per flow run. The counts are those of the run summary."""

    run = dy.String(primary_key=True, max_length=100)
    flow = dy.String(max_length=100)
    window_first = dy.Date(nullable=True)
    window_last = dy.Date(nullable=True)
    started = dy.Datetime(time_unit="us", time_zone="UTC")
    ended = dy.Datetime(time_unit="us", time_zone="UTC", nullable=True)
    state = dy.String(max_length=40)
    codes = dy.Int64()
    rows_in = dy.Int64()
    rows_out = dy.Int64()
    quarantined = dy.Int64()
    duplicates = dy.Int64()
    revised = dy.Int64()
    loaded = dy.Int64()
    withdrawn = dy.Int64(nullable=True)  # NULL in rows of runs that did not count them


class RunRow(BaseModel):
    """A row of `etl_runs`. A run without a window, or one that has not ended, leaves those columns NULL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    flow: str
    window_first: date | None = None
    window_last: date | None = None
    started: AwareDatetime
    ended: AwareDatetime | None = None
    state: str
    codes: int = 0
    rows_in: int = 0
    rows_out: int = 0
    quarantined: int = 0
    duplicates: int = 0
    revised: int = 0
    loaded: int = 0
    withdrawn: int = 0


_TYPES = pl.Schema({name: column.dtype for name, column in Loads.columns().items()})


class Ledger:
    """The ledger of one dataset, as read, with what this transaction adds."""

    @classmethod
    def opened(cls, connection: Connection, dataset: str, *, table_is_new: bool) -> Self:
        """Inside a transaction. Of a table that is new, the ledger knows nothing."""
        table, _ = contract.ensure(connection, LOADS, Loads.columns())
        if table_is_new:
            connection.execute(sa.delete(table).where(table.c.dataset == dataset))
        return cls(connection, table, dataset)

    def __init__(self, connection: Connection, table: sa.Table, dataset: str) -> None:
        query = sa.select(table).where(table.c.dataset == dataset).order_by(table.c.loaded_at)
        loads = connection.dialect.restored(connection.fetch(query), _TYPES)
        self._connection = connection
        self._table = table
        self._dataset = dataset
        self._seen = set(zip(loads["partition"], loads["snapshot"], strict=True))
        self._added: set[tuple[str, str]] = set()
        self._new: list[dict[str, object]] = []
        self._last: datetime | None = loads["loaded_at"].max() if loads.height else None  # type: ignore[assignment]
        self.current: dict[str, str] = dict(zip(loads["partition"], loads["snapshot"], strict=True))

    def has(self, part: Part) -> bool:
        """Whether the snapshot was loaded at any time."""
        return (part.partition, part.snapshot) in self._seen

    def added(self, part: Part) -> bool:
        """Whether this transaction loaded the snapshot."""
        return (part.partition, part.snapshot) in self._added

    def add(self, part: Part, rows: int, run: str, now: datetime) -> None:
        # The latest row of a partition is what the table has, whatever a machine's clock says.
        earliest = self._last + timedelta(microseconds=1) if self._last else now
        self._last = max(now, earliest).astimezone(UTC)
        self._added.add((part.partition, part.snapshot))
        self._seen.add((part.partition, part.snapshot))
        self.current[part.partition] = part.snapshot
        self._new.append(
            {
                "dataset": self._dataset,
                "partition": part.partition,
                "snapshot": part.snapshot,
                "rows": rows,
                "run": run,
                "loaded_at": self._last,
            }
        )

    def write(self) -> None:
        rows = pl.DataFrame(self._new, schema=_TYPES)
        last = rows.unique(["dataset", "partition", "snapshot"], keep="last", maintain_order=True)
        staging.upsert(self._connection, self._table, last)


def loaded(connection: Connection, dataset: str) -> dict[str, str]:
    """The snapshot of each partition, none if there is no ledger table yet."""
    if not contract.described(connection, LOADS):
        return {}
    table = contract.table_of(LOADS, Loads.columns(), connection.dialect)
    return Ledger(connection, table, dataset).current


def write_run(connection: Connection, row: RunRow) -> None:
    """Inside a transaction; in place of an earlier row of the same run."""
    table, _ = contract.ensure(connection, RUNS, Runs.columns())
    values = {n: v.astimezone(UTC) if isinstance(v, datetime) else v for n, v in row.model_dump().items()}
    types = {name: column.dtype for name, column in Runs.columns().items()}
    staging.upsert(connection, table, pl.DataFrame([values], schema=types))
