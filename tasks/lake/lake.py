"""Reading and publishing snapshots."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import groupby

import polars as pl

from tasks.datasets import Dataset
from tasks.errors import ConfigurationError, TransientError
from tasks.files import local_path
from tasks.isolation import Failure, attempt
from tasks.lake import columns, parquet
from tasks.lake.azure.credentials import LakeCredentials
from tasks.lake.damage import gone_files, told
from tasks.lake.local.store import LocalStore
from tasks.lake.parquet import fingerprint
from tasks.lake.snapshots.names import check_portable
from tasks.lake.snapshots.pointer import CURRENT, new_snapshot, read_pointer, swap_pointer
from tasks.lake.snapshots.reference import SnapshotRef
from tasks.lake.store import Store
from tasks.libraries import AZURE_BLOBS, require

_AT_ONCE = 8  # pointers that are read; the SDK keeps ten connections
_RACES = 100  # lost one after the other before a writer gives up


class LostRaceError(TransientError):
    """Another writer published this partition first."""


@dataclass(frozen=True)
class Change:
    """What an update makes of a partition: its new rows, sorted, and the ids of the snapshots they were made from.

    `merged`: rows of the current snapshot are among them, which keep, by the dataset's key, the columns that newer code
    has given them and the dataset does not know."""

    frames: Iterable[pl.DataFrame]
    inputs: tuple[str, ...]
    merged: bool = False


def open_lake(url: str, credentials: LakeCredentials | None = None) -> "Lake":
    """A lake by its URL: a folder's path or `file://` URL, or that of a storage account, `https://ACCOUNT.blob.core.windows.net`.

    Raises ConfigurationError for what cannot be one."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme == "file":
        return Lake(LocalStore(local_path(url)))
    if scheme in ("http", "https"):
        # The Azure SDK takes half a second to import, for which a local lake need not wait.
        require(AZURE_BLOBS, "A lake in a storage account, as ETL_LAKE_URL names one,")
        from tasks.lake.azure.account import find_account  # noqa: PLC0415
        from tasks.lake.azure.store import AzureStore  # noqa: PLC0415

        return Lake(AzureStore(find_account(url, credentials or LakeCredentials())))
    raise ConfigurationError(
        f"ETL_LAKE_URL starts with {scheme}://, which no lake does. Give the path of a folder, or the "
        "https://ACCOUNT.blob.core.windows.net of a storage account."
    )


class Lake:
    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rows_per_file: int = parquet.ROWS_PER_FILE,
    ) -> None:
        self.store = store
        self._clock = clock
        self._rows_per_file = rows_per_file

    def current(self, dataset: Dataset, partition: str) -> SnapshotRef | None:
        """The snapshot that readers see, None where nothing was published."""
        return self._current(dataset, partition)[0]

    def partitions(self, dataset: Dataset, under: str = "") -> list[SnapshotRef]:
        """The current snapshots of all partitions under a folder, which ends with `/`, or of all there are."""
        prefix = f"{_home(dataset)}/{under}"
        pointers = [e.path for e in self.store.entries(prefix) if e.path.endswith(f"/{CURRENT}")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [snapshot for snapshot in pool.map(self._read, pointers) if snapshot]

    def readable(self, dataset: Dataset) -> tuple[list[SnapshotRef], dict[str, str]]:
        """The current snapshots, and by partition why its pointer cannot be read."""
        prefix = f"{_home(dataset)}/"
        pointers = [e.path for e in self.store.entries(prefix) if e.path.endswith(f"/{CURRENT}")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(lambda path: attempt(partial(self._read, path)), pointers))
        names = (path.removeprefix(prefix).removesuffix(f"/{CURRENT}") for path in pointers)
        broken = {name: s.reason for name, s in zip(names, found, strict=True) if isinstance(s, Failure)}
        return [s for s in found if isinstance(s, SnapshotRef)], broken

    def damaged(self, dataset: Dataset) -> list[SnapshotRef]:
        """The current snapshots of which a file is gone."""
        current = self.partitions(dataset)
        there = {entry.path for entry in self.store.entries(f"{_home(dataset)}/")}
        return [s for s in current if not there.issuperset(s.files) and gone_files(self.store, s)]

    def find(self, dataset: Dataset, partition: str, snapshot: str) -> list[str]:
        """The files of a snapshot that need not be the current one: empty where it is gone."""
        return [e.path for e in self.store.entries(f"{_home(dataset)}/{partition}/{snapshot}/")]

    def scan(self, dataset: Dataset, files: Iterable[str], stored: pl.Schema | None = None) -> pl.LazyFrame:
        """The rows of these files (of `SnapshotRef.files`), lazily, in the columns of the dataset.

        `stored` are the columns that all of the files have, where these are not the dataset's. Raises ContractError
        where the dataset cannot read those, and when rows are collected that its types cannot hold."""
        paths = list(files)
        wanted = dataset.polars_schema
        if not paths:
            return pl.LazyFrame(schema=wanted)
        rows = parquet.scan(self.store, paths, stored or wanted)
        return columns.conformed(rows, stored, dataset, paths[0]) if stored and stored != wanted else rows

    def read(self, dataset: Dataset, snapshots: Iterable[SnapshotRef]) -> pl.LazyFrame:
        """The rows of these snapshots, lazily, in the columns of the dataset, whatever columns it had when they were
        written: what is not in a file is null, what the dataset does not know is left out. Errors are those of `scan`.
        """
        known = fingerprint(dataset.polars_schema)
        parts = []
        for found, some in groupby(snapshots, lambda s: s.fingerprint):
            files = [file for snapshot in some for file in snapshot.files]
            # Only of files that are told to have other columns the schema is asked for: once, for it is a request.
            stored = parquet.scan(self.store, files[:1]).collect_schema() if files and found != known else None
            parts.append(self.scan(dataset, files, stored))
        return pl.concat(parts) if len(parts) > 1 else parts[0] if parts else self.scan(dataset, [])

    def update(
        self,
        dataset: Dataset,
        partition: str,
        change: Callable[[SnapshotRef | None], Change | None],
        run: str,
    ) -> SnapshotRef | None:
        """Publishes what `change` makes of the current snapshot, None for nothing to change.

        When another writer publishes first, `change` is called again with the new current snapshot. Returns the
        snapshot that is current in the end. Raises ContractError when rows do not have the dataset's columns, and
        LostRaceError when the race is lost again and again."""
        for _ in range(_RACES):
            current, etag = self._current(dataset, partition)
            with told(self.store, current):
                wanted = change(current)
            if wanted is None:
                return current
            with told(self.store, current):
                written = self._write(dataset, partition, wanted, run, after=current)
            if swap_pointer(self.store, written, etag):
                return written
            for file in written.files:
                self.store.delete(file)
        raise LostRaceError(
            f"{_home(dataset)}/{partition} was published by others {_RACES} times while run {run} tried to. "
            "Run again when fewer runs write the same partition."
        )

    def confirm(self, snapshot: SnapshotRef, inputs: tuple[str, ...]) -> SnapshotRef:
        """Notes that the same data follows from these inputs too. Does nothing if another snapshot became current."""
        confirmed = snapshot.model_copy(update={"inputs": inputs})
        current, etag = read_pointer(self.store, f"{snapshot.state}/{snapshot.dataset}/{snapshot.partition}")
        if current == snapshot:
            swap_pointer(self.store, confirmed, etag)
        return confirmed

    def _read(self, pointer: str) -> SnapshotRef | None:
        stored = self.store.read(pointer)
        return SnapshotRef.model_validate_json(stored.data) if stored else None

    def _current(self, dataset: Dataset, partition: str) -> tuple[SnapshotRef | None, str | None]:
        return read_pointer(self.store, f"{_home(dataset)}/{partition}")

    def _write(
        self, dataset: Dataset, partition: str, change: Change, run: str, after: SnapshotRef | None
    ) -> SnapshotRef:
        if after is None:
            check_portable(partition)
        snapshot, created = new_snapshot(after, self._clock())
        files: list[str] = []
        span = _Span(dataset.period)
        rows = 0
        frames, schema = self._frames(dataset, change, after)
        try:
            for frame in parquet.batches(frames, self._rows_per_file):
                path = f"{_home(dataset)}/{partition}/{snapshot}/part-{len(files):05d}.parquet"
                with self.store.create(path) as file:
                    parquet.write(frame, file)
                files.append(path)
                rows += frame.height
                span.add(frame)
        except BaseException:
            for path in files:
                self.store.delete(path)
            raise
        ancestors, from_the_first = SnapshotRef.after(after)
        sizes = {e.path: e.bytes for e in self.store.entries(f"{_home(dataset)}/{partition}/{snapshot}/")}
        return SnapshotRef(
            state=dataset.state,
            dataset=dataset.name,
            partition=partition,
            snapshot=snapshot,
            files=tuple(files),
            rows=rows,
            bytes=sum(sizes.values()),
            fingerprint=fingerprint(schema),
            first=span.first,
            last=span.last,
            run=run,
            inputs=change.inputs,
            created=created,
            ancestors=ancestors,
            from_the_first=from_the_first,
        )

    def _frames(
        self, dataset: Dataset, change: Change, after: SnapshotRef | None
    ) -> tuple[Iterator[pl.DataFrame], pl.Schema]:
        """The rows to write, and their columns: those of the dataset, and what merged rows keep."""
        known = dataset.polars_schema
        frames = columns.checked(dataset, change.frames)
        if not (after and after.files and change.merged and dataset.key) or after.fingerprint == fingerprint(known):
            return frames, known
        unknown = columns.unknown(parquet.scan(self.store, after.files), self.read(dataset, [after]), dataset)
        return columns.widened(frames, unknown, dataset.key), pl.Schema(dict(known) | dict(unknown.schema))


@dataclass
class _Span:
    """The smallest and largest date seen."""

    column: str | None
    first: date | None = None
    last: date | None = None

    def add(self, frame: pl.DataFrame) -> None:
        if self.column is None or frame.is_empty():
            return
        low, high = frame.select(pl.min(self.column).alias("low"), pl.max(self.column).alias("high")).row(0)
        self.first = low if self.first is None else min(self.first, low)
        self.last = high if self.last is None else max(self.last, high)


def _home(dataset: Dataset) -> str:
    return f"{dataset.state}/{dataset.name}"
