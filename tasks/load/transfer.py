"""One load of one dataset, inside a transaction that its caller opens and ends."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

import polars as pl

from tasks.errors import ConfigurationError, ContractError, TransientError
from tasks.load import contract, staging, statements
from tasks.load.connection import Connection, scalar
from tasks.load.ledger import Ledger
from tasks.load.order import Order
from tasks.load.part import NOTHING, LoadResult, Part
from tasks.load.rows import prepared
from tasks.load.strays import find_strays


class Transfer:
    """Takes parts one at a time, so that no more than one is in memory. Errors are those of `Warehouse.load`."""

    def __init__(self, connection: Connection, order: Order, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._order = order
        self._clock = clock
        self._key_later = connection.dialect.key_comes_last and bool(order.key)
        self._table, created = contract.ensure(connection, order.table, order.columns, key_later=self._key_later)
        self._key_later &= created
        self._ledger = Ledger.opened(connection, order.dataset.name, table_is_new=created)
        # Into an empty table rows go straight: to stage them first would be twice the work.
        self._direct = connection.fetch(statements.any_row(self._table)).is_empty()
        self._total = LoadResult()

    def run(self, parts: Iterable[Part]) -> LoadResult:
        due = self._replacing(parts) if self._order.emptied else self._adding(parts)
        for part, known in due:
            if known:
                self._total += LoadResult(parts_skipped=1)
            else:
                with _named(self._what(part)):
                    self._load(part)
        if self._key_later:
            with _named(f"the parts of {self._order.dataset.name}"):
                contract.add_key(self._connection, self._table)
        if self._direct:
            self._check_total()
        if self._total.parts_loaded:
            self._ledger.write()
        return self._total

    def _adding(self, parts: Iterable[Part]) -> Iterator[tuple[Part, bool]]:
        """Each part, and whether the table has it."""
        for part in parts:
            known = self._is_current(part)
            if self._order.mode == "append" or part.base is None:
                known = known or self._ledger.has(part)
            elif not known and part.base != self._ledger.current.get(part.partition, NOTHING):
                raise self._moved_on(part)
            yield part, known

    def _replacing(self, parts: Iterable[Part]) -> Iterator[tuple[Part, bool]]:
        """The same. One part that the table does not have makes all of them due: their rows go with the window."""
        rest = iter(parts)
        known: list[Part] = []
        for part in rest:
            if not self._is_current(part):
                self._empty_window()
                yield from ((p, self._ledger.added(p)) for p in itertools.chain(known, [part], rest))
                return
            known.append(part)
        yield from ((p, True) for p in known)

    def _is_current(self, part: Part) -> bool:
        return self._ledger.current.get(part.partition) == part.snapshot

    def _load(self, part: Part) -> None:
        columns, key = self._order.columns, self._order.key
        rows = prepared(part.changed, columns, key, self._what(part))
        self._check_window(rows, part)
        self._total += self._delete(part, rows) + self._insert(rows) + LoadResult(parts_loaded=1)
        self._ledger.add(part, rows.height, self._order.run, self._clock())

    def _insert(self, rows: pl.DataFrame) -> LoadResult:
        if rows.is_empty():
            return LoadResult()
        if self._direct:
            return staging.ingest(self._connection, self._table, rows)
        insert = staging.upsert if self._order.mode == "upsert" else staging.append
        return insert(self._connection, self._table, rows)

    def _delete(self, part: Part, rows: pl.DataFrame) -> LoadResult:
        deleted = part.deleted
        if part.whole and not self._direct and self._order.key:
            keys = rows.select(self._order.key)
            deleted = find_strays(self._connection, self._table, self._order.dataset, part.partition, keys)
        if deleted.is_empty():
            return LoadResult()
        key = {name: self._order.columns[name] for name in self._order.key}
        if not key:
            raise ConfigurationError(
                f"{self._what(part)} has rows to delete, but its dataset has no key to find them by. "
                "Mark a key in tasks/datasets.py."
            )
        keys = prepared(deleted, key, self._order.key, f"the rows to delete of {self._what(part)}")
        return staging.delete(self._connection, self._table, keys)

    def _empty_window(self) -> None:
        if self._order.emptied:
            period, window = self._order.emptied
            delete = statements.delete_window(self._table, period, window.first, window.last)
            self._total += LoadResult(deleted=self._connection.execute(delete))

    def _check_window(self, rows: pl.DataFrame, part: Part) -> None:
        if self._order.emptied is None:
            return
        period, window = self._order.emptied
        outside = rows.filter(~pl.col(period).is_between(window.first, window.last)).height
        if outside:
            raise ContractError(
                f"{self._what(part)} has {outside} rows whose {period} is not in the window {window} that they "
                "replace. Give the window that the rows are of."
            )

    def _check_total(self) -> None:
        wanted = self._total.inserted - self._total.deleted
        found = scalar(self._connection, statements.count(self._table))
        if found != wanted:
            raise ContractError(
                f"Table {self._order.table} was empty, {wanted} rows were written and {found} are in it. Nothing was "
                "loaded. Run the load again; if it stays, look for triggers on the table, or a fault of the driver."
            )

    def _what(self, part: Part) -> str:
        return f"partition {part.partition} of {self._order.dataset.name}"

    def _moved_on(self, part: Part) -> TransientError:
        current = self._ledger.current.get(part.partition, NOTHING)
        return TransientError(
            f"{self._what(part)} is at snapshot {current or 'none'} in {self._connection.dialect.place}, but "
            f"the change to {part.snapshot} was worked out against {part.base or 'none'}: another run came "
            "first. Run it again."
        )


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Says in a ContractError which part it is about, where the store's own words do not."""
    try:
        yield
    except ContractError as error:
        if what in str(error):
            raise
        raise ContractError(f"Loading {what}: {error}") from error
