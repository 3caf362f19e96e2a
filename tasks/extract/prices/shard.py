"""Fetches the bars of many codes at once, and keeps them as received, with what became of each code."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import polars as pl

from tasks.datasets import FETCHES, RAW_PRICES, shard_of
from tasks.errors import ContractError, FatalError, TransientError
from tasks.extract.prices.eodhd import Bar, Fetched, Outcome
from tasks.isolation import Failure, attempt, attempted
from tasks.window import Window

_BYTES_PER_CHUNK = 10_000_000  # of answers, which make rows together: about a hundred thousand
_REFUSED = 50  # codes, of the first, after which all are taken to be
_CHUNKS_WAITING = 2  # at most, before the source has to wait for the parser


class Source(Protocol):
    async def bars(self, code: str, window: Window) -> Fetched: ...


@dataclass(frozen=True)
class Received:
    """Frames of RAW_PRICES and FETCHES, and the error that ended the fetching early, if one did."""

    bars: pl.DataFrame
    fetches: pl.DataFrame
    stopped_by: FatalError | TransientError | None


async def fetch(
    source: Source,
    spans: Mapping[str, Window],
    in_flight: int,
    fetched_at: datetime,
    progress: Callable[[int, int], None],
) -> Received:
    """Every code once, for its span, `in_flight` at a time. `progress` gets the numbers of codes done and of rows.

    A FatalError stops it, and so do as many failed codes in a row as requests are in flight: then the source is down.
    What every code is answered, is wrong with all: that the token does not cover it, or that the source has moved.
    What came until then is returned with the error. A code whose request was under way counts as not asked for."""
    waiting = iter(spans.items())
    stopped_by: FatalError | TransientError | None = None
    with ThreadPoolExecutor(max_workers=1) as parser:
        received = _Columns(fetched_at, parser)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(in_flight, len(spans))):
                    workers.create_task(_work(source, waiting, received, max(in_flight, 10), progress))
        except* (FatalError, TransientError) as errors:
            stopped_by = next(e for e in _leaves(errors) if isinstance(e, FatalError | TransientError))
        stopped_by = stopped_by or received.refused_to_all
        return Received(await asyncio.to_thread(received.bars), received.fetches(), stopped_by)


async def _work(
    source: Source,
    waiting: Iterator[tuple[str, Window]],
    received: "_Columns",
    patience: int,
    progress: Callable[[int, int], None],
) -> None:
    for code, span in waiting:
        fetched = await attempted(source.bars(code, span))
        if isinstance(fetched, Failure):
            fetched = Fetched(Outcome.FAILED, reason=fetched.reason)
        received.add(code, span, fetched)
        progress(received.codes, received.rows)
        if late := received.late_chunk:
            await asyncio.wrap_future(late)
        if received.refused_to_all and received.codes >= _REFUSED:
            raise received.refused_to_all
        if received.failed_in_a_row >= patience:
            raise TransientError(
                f"The source failed {received.failed_in_a_row} codes in a row. The last: {received.last_reason}. What "
                "was fetched is kept; run the same window again when the source is back."
            )


def _leaves(errors: BaseExceptionGroup) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


class _Columns:
    """What came, as frames: bodies are turned into rows a chunk at a time, on a thread of their own.

    polars parses there without holding up the event loop, which keeps the requests in flight meanwhile."""

    def __init__(self, fetched_at: datetime, parser: Executor) -> None:
        self.rows = 0
        self.failed_in_a_row = 0
        self.refused_to_all: FatalError | None = None
        self._fetched_at = fetched_at
        self._parser = parser
        self._fetches: list[tuple[str, Window, Fetched]] = []
        self._waiting: list[tuple[str, Fetched]] = []
        self._waiting_bytes = 0
        self._chunks: list[Future[_Parsed]] = []

    def add(self, code: str, span: Window, fetched: Fetched) -> None:
        self.failed_in_a_row = self.failed_in_a_row + 1 if fetched.outcome is Outcome.FAILED else 0
        self.refused_to_all = fetched.if_all if self.refused_to_all or not self._fetches else None
        self.rows += fetched.bars
        if fetched.outcome is not Outcome.FETCHED:
            self._fetches.append((code, span, fetched))
            return
        self._fetches.append((code, span, replace(fetched, body=None)))
        self._waiting.append((code, fetched))
        self._waiting_bytes += len(fetched.body or b"")
        if self._waiting_bytes >= _BYTES_PER_CHUNK:
            self._parse_waiting()

    @property
    def codes(self) -> int:
        return len(self._fetches)

    @property
    def late_chunk(self) -> "Future[_Parsed] | None":
        """The one to wait for when the parser does not keep up, lest the answers fill the memory."""
        if len(self._chunks) <= _CHUNKS_WAITING or self._chunks[-_CHUNKS_WAITING - 1].done():
            return None
        return self._chunks[-_CHUNKS_WAITING - 1]

    @property
    def last_reason(self) -> str:
        return self._fetches[-1][2].reason or "no reason was told"

    def bars(self) -> pl.DataFrame:
        """All of them. Codes whose answers cannot be parsed are refused by then."""
        self._parse_waiting()
        chunks = [chunk.result() for chunk in self._chunks]
        refused = {code: fetched for _, unparsed in chunks for code, fetched in unparsed.items()}
        self._fetches = [(code, span, refused.get(code, fetched)) for code, span, fetched in self._fetches]
        return pl.concat([RAW_PRICES.polars_schema.to_frame(), *(rows for rows, _ in chunks)], rechunk=False)

    def fetches(self) -> pl.DataFrame:
        rows = [
            (code, f.outcome.value, f.reason, f.warning, f.bars, f.body, self._fetched_at, span.first, span.last)
            for code, span, f in self._fetches
        ]
        return pl.DataFrame(rows, schema=FETCHES.polars_schema, orient="row")

    def _parse_waiting(self) -> None:
        if self._waiting:
            self._chunks.append(self._parser.submit(_parsed, self._waiting, self._fetched_at))
            self._waiting, self._waiting_bytes = [], 0


_RECORDS = pl.List(
    pl.Struct({name: dtype for name, dtype in RAW_PRICES.polars_schema.items() if name in Bar.__struct_fields__})
)


_Parsed = tuple[pl.DataFrame, dict[str, Fetched]]  # rows, and the codes whose answers came to none


def _parsed(received: list[tuple[str, Fetched]], fetched_at: datetime) -> _Parsed:
    """The rows of all answers that can be parsed together, or else by halves."""
    rows = attempt(lambda: _rows(received, fetched_at))
    if not isinstance(rows, Failure):
        return rows, {}
    if len(received) == 1:
        ((code, fetched),) = received
        reason = f"bars that cannot be read: {rows.reason}"
        return RAW_PRICES.polars_schema.to_frame(), {code: Fetched(Outcome.REFUSED, reason=reason, body=fetched.body)}
    middle = len(received) // 2
    (first, of_first), (second, of_second) = (
        _parsed(some, fetched_at) for some in (received[:middle], received[middle:])
    )
    return pl.concat([first, second], rechunk=False), of_first | of_second


def _rows(received: list[tuple[str, Fetched]], fetched_at: datetime) -> pl.DataFrame:
    """Frame of RAW_PRICES. The bodies were found to be lists of bars before."""
    codes = [code for code, _ in received]
    frame = pl.DataFrame(
        {
            "shard": pl.Series([shard_of(code, RAW_PRICES.shards) for code in codes], dtype=pl.UInt8),
            "code": codes,
            # What is no UTF-8 can only be in a field that is not read: the others were found to be sound.
            "bar": [fetched.body.decode(errors="replace") for _, fetched in received if fetched.body],
        }
    )
    rows = frame.with_columns(pl.col("bar").str.json_decode(_RECORDS)).explode("bar").unnest("bar")
    if rows.height != sum(fetched.bars for _, fetched in received):
        raise ContractError(
            f"Parsing the answers for {codes[0]} to {codes[-1]} gave {rows.height} rows, not as many as came."
        )
    return rows.with_columns(pl.lit(fetched_at, dtype=pl.Datetime("us", "UTC")).alias("fetched_at"))
