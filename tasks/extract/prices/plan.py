"""Plans which codes are fetched together, and publishes what came to `raw/prices` and `raw/fetches`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol

import polars as pl
from pydantic import BaseModel, ConfigDict

from tasks.coverage.answers import SETTLING, to_ask
from tasks.coverage.stored import known
from tasks.datasets import FETCHES, RAW_PRICES, Dataset, shard_of
from tasks.errors import ConfigurationError, TransientError
from tasks.extract.prices.shard import Received, fetch
from tasks.extract.prices.shard import Source as Bars
from tasks.extract.prices.silence import Lister, told_as_missing
from tasks.lake import Change, Lake, SnapshotRef
from tasks.sessions.closing_times import AsOf
from tasks.sessions.trading_days import SESSIONS_PER_DAY
from tasks.window import Window

_ROWS_PER_SHARD = 1_500_000  # about 150 MB in memory
_CODES_PER_SHARD = 2_000  # what a crash can cost: two minutes at a thousand requests a minute

# What a part of a run fetches: the window's own days; of codes for which these do not tell whether others were
# restated, the stored day that does; of codes that were restated, all their other days.
Part = Literal["window", "witness", "history"]


class Source(Bars, Lister, Protocol):
    """What answers for codes, one by one, and lists them."""


class Shard(BaseModel):
    """Codes that are fetched together, each with the days that are asked for. `window` is the run's."""

    model_config = ConfigDict(frozen=True)

    window: Window
    part: Part
    number: int
    of: int
    spans: dict[str, Window]

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self.spans)

    @property
    def partition(self) -> str:
        return f"{raw_folder(self.window)}{self.part}={self.number:05d}-of-{self.of:05d}"


class Extracted(BaseModel):
    """What one shard brought: its snapshots, and how many codes had which outcome in this attempt."""

    model_config = ConfigDict(frozen=True)

    prices: SnapshotRef | None
    fetches: SnapshotRef | None
    codes_asked: int
    codes_known: int  # answered before, in whatever shard of the window
    codes_failed: int
    reason: str | None  # of the last code that failed
    rows_received: int


def raw_folder(window: Window) -> str:
    """Where all raw partitions of a window are."""
    return f"window={window}/"


def plan(spans: Mapping[str, Window], window: Window, part: Part, shards: int | None = None) -> list[Shard]:
    """Shards by the hash of the code, so many that each fits into memory, or as many as asked for. None is empty."""
    if shards is not None and shards < 1:
        raise ConfigurationError(f"{shards} shards cannot hold any codes. Give 1 or more, or leave it empty.")
    rows = sum(span.days for span in spans.values()) * SESSIONS_PER_DAY
    of = shards or max(1, math.ceil(rows / _ROWS_PER_SHARD), math.ceil(len(spans) / _CODES_PER_SHARD))
    members: dict[int, dict[str, Window]] = {}
    # In the order of their shards in the lake, so that curating one of those skips the row groups of the others.
    for code in sorted(spans, key=lambda code: (shard_of(code, RAW_PRICES.shards), code)):
        members.setdefault(shard_of(code, of), {})[code] = spans[code]
    return [
        Shard(window=window, part=part, number=number, of=of, spans=some) for number, some in sorted(members.items())
    ]


async def extract(
    lake: Lake,
    source: Source,
    shard: Shard,
    run: str,
    in_flight: int,
    as_of: AsOf,
    progress: Callable[[int, int], None],
) -> Extracted:
    """Fetches the shard's codes that this window lacks of what is over as of now, and publishes what came.

    Raises what ended the fetching early, after publishing what came before it."""
    before = [s for s in lake.partitions(FETCHES, raw_folder(shard.window)) if f"/{shard.part}=" in s.partition]
    answers = known(lake, shard.window, before)
    wanted = to_ask(answers, shard.spans, as_of)
    received = await fetch(source, wanted, in_flight, as_of.now, progress)
    if shard.part == "window":
        told = await told_as_missing(lake, source, received.fetches, shard.window, as_of, run)
        received = replace(received, fetches=told)
    # Where the codes were cut into another number of shards before, they must not be in two partitions.
    others = [s.partition for s in before if not s.partition.endswith(f"-of-{shard.of:05d}")]
    prices, fetches = _publish(lake, shard.partition, others, received, run)
    if received.stopped_by:
        raise received.stopped_by
    failed = received.fetches.filter(pl.col("outcome").cast(pl.String) == "failed")
    return Extracted(
        prices=prices,
        fetches=fetches,
        codes_asked=len(wanted),
        codes_known=answers.filter(pl.col("outcome").is_in(SETTLING), ~pl.col("code").is_in(list(wanted))).height,
        codes_failed=failed.height,
        reason=failed.item(-1, "reason") if failed.height else None,
        rows_received=received.bars.height,
    )


def raise_if_down(shards: Sequence[Extracted]) -> None:
    """Raises TransientError where the source failed every code of the window, which may be too few for `extract`.

    One code that fails among others is no reason to stop, also where only that one is asked for again."""
    failed = [s for s in shards if s.codes_failed]
    if failed and not any(s.codes_known or s.codes_asked > s.codes_failed for s in shards):
        raise TransientError(
            f"The source failed all {sum(s.codes_failed for s in failed)} codes. The last: {failed[-1].reason}. Run "
            "the same window again when the source is back."
        )


def _publish(
    lake: Lake, partition: str, others: Sequence[str], received: Received, run: str
) -> tuple[SnapshotRef | None, SnapshotRef | None]:
    """What is published when this is cut short lacks the outcomes of these codes, and they are fetched again."""
    asked = received.fetches.get_column("code")
    for other in others:
        for dataset in (FETCHES, RAW_PRICES):
            _replace(lake, dataset, other, asked, pl.DataFrame(schema=dataset.polars_schema), run)
    bars = _replace(lake, RAW_PRICES, partition, asked, received.bars, run)
    return bars, _replace(lake, FETCHES, partition, asked, received.fetches, run)


def _replace(
    lake: Lake, dataset: Dataset, partition: str, codes: pl.Series, rows: pl.DataFrame, run: str
) -> SnapshotRef | None:
    """Puts these rows in the place of what the partition has of these codes."""

    def change(current: SnapshotRef | None) -> Change | None:
        if codes.is_empty() or (current is None and rows.is_empty()):
            return None
        others = ~pl.col("code").is_in(codes.implode())
        kept = lake.read(dataset, [current] if current else []).filter(others).collect()
        if current and rows.is_empty() and kept.height == current.rows:
            return None
        return Change([kept, rows], inputs=(), merged=True)

    return lake.update(dataset, partition, change, run)
