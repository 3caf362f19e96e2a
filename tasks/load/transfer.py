"""One load of one dataset, inside a transaction that its caller opens and ends."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

import polars as pl

from tasks.database.connection import Connection, scalar
from tasks.database.dialects import statements
from tasks.errors import ConfigurationError, ContractError, TransientError
from tasks.load import contract, losses, staging
from tasks.load.ledger import Ledger
from tasks.load.load_result import LoadResult
from tasks.load.losses import Loss, days_of
from tasks.load.orphaned_rows import find_orphaned_rows
from tasks.load.request import NOTHING, LoadRequest, Part
from tasks.load.rows import prepared


class Transfer:
    """Takes parts one at a time, so that no more than one is in memory. Errors are those of `Warehouse.load`."""

    def __init__(self, connection: Connection, request: LoadRequest, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._request = request
        self._clock = clock
        self._key_later = connection.dialect.key_comes_last and bool(request.key)
        self._table, created = contract.ensure(connection, request.table, request.columns, key_later=self._key_later)
        self._key_later &= created
        self._ledger = Ledger.opened(connection, request.dataset.name, table_is_new=created)
        # Into an empty table rows go straight: to stage them first would be twice the work.
        self._direct = connection.fetch(statements.any_row(self._table)).is_empty()
        # Rows that nobody knows the origin of: somebody removed their ledger.
        self._strange = not self._direct and not self._ledger.current
        self._total = LoadResult()
        self._lost: list[Loss] = []
        self._large: list[Loss] = []

    def run(self, parts: Iterable[Part]) -> LoadResult:
        due = self._replacing(parts) if self._request.emptied else self._adding(parts)
        for part, known in due:
            if known:
                self._total += LoadResult(parts_skipped=1)
            else:
                with _named(self._what(part)):
                    self._load(part)
        self._check_losses()
        if self._key_later:
            with _named(f"the parts of {self._request.dataset.name}"):
                contract.add_key(self._connection, self._table)
        if self._direct:
            self._check_total()
        if self._total.parts_loaded:
            self._ledger.write()
        return self._total

    def _adding(self, parts: Iterable[Part]) -> Iterator[tuple[Part, bool]]:
        """Each part, and whether the table has it."""
        for part in parts:
            known = self._is_current(part) and not part.again
            if self._request.mode == "append" or part.base is None:
                known = known or self._ledger.has(part)
            elif not known and part.base != self._ledger.current.get(part.partition, NOTHING):
                raise self._moved_on(part)
            yield part, known

    def _replacing(self, parts: Iterable[Part]) -> Iterator[tuple[Part, bool]]:
        """As `_adding`. One part that the table does not have makes all of them due: their rows go with the window."""
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
        columns, key = self._request.columns, self._request.key
        rows = prepared(part.changed, columns, key, self._what(part))
        self._check_window(rows, part)
        gone = self._gone(part, rows)
        done = self._delete(part, gone) + self._insert(rows) + LoadResult(parts_loaded=1)
        self._note_loss(part, rows, gone, done)
        self._total += done
        self._ledger.add(part, rows.height, self._request.run, self._clock())

    def _insert(self, rows: pl.DataFrame) -> LoadResult:
        if rows.is_empty():
            return LoadResult()
        if self._direct:
            return staging.ingest(self._connection, self._table, rows)
        insert = staging.upsert if self._request.mode == "upsert" else staging.append
        return insert(self._connection, self._table, rows)

    def _gone(self, part: Part, rows: pl.DataFrame) -> pl.DataFrame:
        """The keys of the rows to delete."""
        broken = self._is_broken(part)
        if self._direct or not self._request.key or not (part.whole or broken):
            return part.deleted
        if broken and self._request.dataset.is_record:
            return part.deleted
        keys = rows.select(self._request.key)
        return find_orphaned_rows(self._connection, self._table, self._request.dataset, part.partition, keys)

    def _is_broken(self, part: Part) -> bool:
        """Whether the lake's partition is no continuation of what the table has."""
        return not part.continues or (self._strange and part.base is not None)

    def _note_loss(self, part: Part, rows: pl.DataFrame, gone: pl.DataFrame, done: LoadResult) -> None:
        dataset = self._request.dataset
        if self._request.lake_is_right or dataset.is_record:
            return
        loss = Loss(part.partition, done.deleted, done.updated, days_of(gone if done.deleted else rows, dataset.period))
        if self._is_broken(part):
            # Of a partition whose name does not tell its rows, nobody knows what the table has of it beside these.
            if done.deleted or done.updated or dataset.place(part.partition) is None:
                self._lost.append(loss)
        elif part.rows is not None and losses.is_large(
            done.deleted, part.rows - done.inserted, self._request.largest_deletion
        ):
            self._large.append(loss)

    def _check_losses(self) -> None:
        table, place = self._request.table, self._connection.dialect.place
        if self._lost:
            raise losses.refuse_lost(table, place, self._lost)
        if self._large:
            raise losses.refuse_large(table, place, self._large, self._request.largest_deletion)

    def _delete(self, part: Part, deleted: pl.DataFrame) -> LoadResult:
        if deleted.is_empty():
            return LoadResult()
        key = {name: self._request.columns[name] for name in self._request.key}
        if not key:
            raise ConfigurationError(
                f"{self._what(part)} has rows to delete, but its dataset has no key to find them by. "
                "Mark a key in tasks/datasets.py."
            )
        keys = prepared(deleted, key, self._request.key, f"the rows to delete of {self._what(part)}")
        return staging.delete(self._connection, self._table, keys)

    def _empty_window(self) -> None:
        if self._request.emptied:
            period, window = self._request.emptied
            self._total += staging.delete_window(self._connection, self._table, period, window)

    def _check_window(self, rows: pl.DataFrame, part: Part) -> None:
        if self._request.emptied is None:
            return
        period, window = self._request.emptied
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
                f"Table {self._request.table} was empty, {wanted} rows were written and {found} are in it. Nothing was "
                "loaded. Run the load again; if it stays, look for triggers on the table, or a fault of the driver."
            )

    def _what(self, part: Part) -> str:
        return f"partition {part.partition} of {self._request.dataset.name}"

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
