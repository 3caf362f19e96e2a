"""Plans which codes are fetched together, and publishes what came to `raw/prices` and `raw/fetches`."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from tasks.datasets import FETCHES, RAW_PRICES, Dataset, shard_of
from tasks.errors import ConfigurationError
from tasks.extract.shard import Received, Source, fetch
from tasks.lake import Change, Lake, SnapshotRef
from tasks.window import Window

_ROWS_PER_SHARD = 1_500_000  # about 150 MB in memory
_CODES_PER_SHARD = 2_000  # what a crash can cost: two minutes at a thousand requests a minute
_SESSIONS_PER_DAY = 252 / 365.25
_ANSWERED = ("fetched", "empty", "unknown")
_LONGEST_CODE = 40  # characters, as in the contract of prices
_NAME = re.compile(r"""[!-~--[/\\?#%"]]+""")

# What a part of a run fetches: the window's own days, or the older days of codes that were restated.
Part = Literal["window", "history"]


class Shard(BaseModel):
    """Codes that are fetched together. `window` is the run's, `span` the days that are asked for."""

    model_config = ConfigDict(frozen=True)

    window: Window
    span: Window
    part: Part
    number: int
    of: int
    codes: tuple[str, ...]

    @property
    def partition(self) -> str:
        return f"{raw_folder(self.window)}{self.part}={self.number:05d}-of-{self.of:05d}"


class Extracted(BaseModel):
    """What one shard brought: its snapshots, and how many codes had which outcome in this attempt."""

    model_config = ConfigDict(frozen=True)

    prices: SnapshotRef | None
    fetches: SnapshotRef | None
    codes_asked: int
    rows_received: int


def raw_folder(window: Window) -> str:
    """Where all raw partitions of a window are."""
    return f"window={window}/"


def qualified(codes: Iterable[str], exchange: str) -> list[str]:
    """The distinct codes in order, upper case, with the exchange's suffix where they have none.

    Raises ConfigurationError for what cannot be a code, and for no codes at all."""
    found = {_qualified(code.strip(), exchange) for code in codes}
    if not found:
        raise ConfigurationError("No codes to fetch. Name some, or leave codes empty for all of the exchange.")
    return sorted(found)


def _qualified(code: str, exchange: str) -> str:
    name, _, suffix = (code if "." in code else f"{code}.{exchange}").rpartition(".")
    # Before it is put into upper case: that makes ASCII of some letters that are not.
    if not (_NAME.fullmatch(name) and _NAME.fullmatch(suffix)) or len(name) + len(suffix) >= _LONGEST_CODE:
        raise ConfigurationError(f"{code!r} is not an instrument's code. Codes look like AAPL.US or BRK-B.US.")
    return f"{name}.{suffix}".upper()


def plan(codes: Sequence[str], window: Window, span: Window, part: Part, shards: int | None = None) -> list[Shard]:
    """Shards by the hash of the code, so many that each fits into memory, or as many as asked for. None is empty."""
    if shards is not None and shards < 1:
        raise ConfigurationError(f"{shards} shards cannot hold any codes. Give 1 or more, or leave it empty.")
    rows = len(codes) * span.days * _SESSIONS_PER_DAY
    of = shards or max(1, math.ceil(rows / _ROWS_PER_SHARD), math.ceil(len(codes) / _CODES_PER_SHARD))
    members: dict[int, list[str]] = {}
    for code in codes:
        members.setdefault(shard_of(code, of), []).append(code)
    return [
        Shard(window=window, span=span, part=part, number=number, of=of, codes=tuple(some))
        for number, some in sorted(members.items())
    ]


async def extract(
    lake: Lake,
    source: Source,
    shard: Shard,
    run: str,
    in_flight: int,
    *,
    refetch: bool,
    progress: Callable[[int, int], None],
) -> Extracted:
    """Fetches the shard's codes that this window does not have yet (all of them with `refetch`), and publishes what came.

    Raises what ended the fetching early, after publishing what came before it."""
    wanted = shard.codes if refetch else [c for c in shard.codes if c not in _answered(lake, shard)]
    received = await fetch(source, wanted, shard.span, in_flight, datetime.now(UTC), progress)
    prices, fetches = _publish(lake, shard, received, run)
    if received.stopped_by:
        raise received.stopped_by
    return Extracted(prices=prices, fetches=fetches, codes_asked=len(wanted), rows_received=received.bars.height)


def _answered(lake: Lake, shard: Shard) -> set[str]:
    """Codes that the source has answered for this window, in whatever shard they were."""
    snapshots = lake.partitions(FETCHES, raw_folder(shard.window))
    same = [s for s in snapshots if f"/{shard.part}=" in s.partition]
    answered = pl.col("outcome").cast(pl.String).is_in(_ANSWERED)
    return set(lake.read(FETCHES, same).filter(answered).select("code").collect().get_column("code"))


def _publish(lake: Lake, shard: Shard, received: Received, run: str) -> tuple[SnapshotRef | None, SnapshotRef | None]:
    # Bars first: a crash in between leaves bars without an outcome, and they are fetched again.
    asked = received.fetches.get_column("code")
    bars = _replace(lake, RAW_PRICES, shard.partition, asked, received.bars, run)
    return bars, _replace(lake, FETCHES, shard.partition, asked, received.fetches, run)


def _replace(
    lake: Lake, dataset: Dataset, partition: str, codes: pl.Series, rows: pl.DataFrame, run: str
) -> SnapshotRef | None:
    """Puts these rows in the place of what the partition has of these codes."""

    def change(current: SnapshotRef | None) -> Change | None:
        if codes.is_empty() or (current is None and rows.is_empty()):
            return None
        kept = lake.read(dataset, [current] if current else []).filter(~pl.col("code").is_in(codes.implode()))
        # Stable, so that the records of a code keep the order in which they came.
        frames = pl.concat([kept.collect(), rows], rechunk=False).sort(dataset.sort[0], maintain_order=True)
        return Change([frames], inputs=())

    return lake.update(dataset, partition, change, run)
