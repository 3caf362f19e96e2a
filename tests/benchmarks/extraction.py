"""One request per code, fetched and decoded to one frame: our own task, and the ways that others do it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import aiohttp
import dlt
import httpx
import msgspec
import polars as pl
from dlt.sources.helpers.rest_client.client import RESTClient
from polars.testing import assert_frame_equal
from prefect.logging import disable_run_logger

from tasks.datasets import RAW_PRICES
from tasks.extract import Shard, extract_prices
from tasks.extract.prices.eodhd import Bar
from tasks.extract.prices.plan import plan
from tasks.lake import open_lake
from tasks.window import Window
from tests.benchmarks.race import Contender, Race, at_most_times_as_long, times_as_fast


@dataclass(frozen=True)
class Size:
    codes: int
    rows: int
    in_flight: int


SIZE = Size(codes=2_000, rows=250, in_flight=64)
TINY = Size(codes=20, rows=5, in_flight=4)

_WINDOW = Window(first=date(2022, 1, 1), last=date(2022, 12, 31))
_PARAMS = {"api_token": "demo", "fmt": "json", "from": str(_WINDOW.first), "to": str(_WINDOW.last)}
_COLUMNS = [name for name in Bar.__struct_fields__ if name != "warning"]


@contextmanager
def race(size: Size) -> Iterator[Race]:
    """Ours has retries, limits and redaction, publishes `raw/prices` and reads it back: all that counts against it.

    Prefect's own bookkeeping, about a fifth of a second for a task without a flow, whatever it does, is left out."""
    codes = [f"C{number:05d}.US" for number in range(size.codes)]
    with _environment(size) as url:
        yield Race(
            title=f"fetch and decode {size.codes} codes x {size.rows} rows",
            ours=Contender("tasks.extract", _ours, lambda folder: _shard(folder, codes)),
            peers=[
                (_peer("httpx, response.json()", _httpx, url, codes, size.in_flight), times_as_fast(6)),
                (_peer("aiohttp and msgspec", _aiohttp, url, codes, size.in_flight), at_most_times_as_long(2.5)),
                (
                    Contender("dlt's REST client", lambda folder: _dlt(folder, url, codes, size.in_flight)),
                    times_as_fast(10),
                ),
            ],
            agree=_agree,
            rounds=3,
        )


@contextmanager
def _environment(size: Size) -> Iterator[str]:
    """A price server as a process of its own, and the settings that name it. Yields its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.price_server", str(size.rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            os.environ |= {
                "ETL_SOURCE_URL": url,
                "ETL_SOURCE_REQUESTS_PER_MINUTE": "10000000",
                "ETL_SOURCE_REQUESTS_IN_FLIGHT": str(size.in_flight),
            }
            yield url
        finally:
            server.terminate()
            for name in [n for n in os.environ if n.startswith("ETL_")]:
                del os.environ[name]


def _shard(folder: Path, codes: Sequence[str]) -> Shard:
    os.environ["ETL_LAKE_URL"] = str(folder)
    return plan(dict.fromkeys(codes, _WINDOW), _WINDOW, "window", shards=1)[0]


def _ours(shard: Shard) -> pl.DataFrame:
    with disable_run_logger():
        extracted = asyncio.run(extract_prices.fn(shard))
    lake = open_lake(os.environ["ETL_LAKE_URL"])
    return lake.read(RAW_PRICES, [extracted.prices] if extracted.prices else []).collect()


def _peer(
    name: str,
    fetch: Callable[[str, Sequence[str], int], Awaitable[pl.DataFrame]],
    url: str,
    codes: Sequence[str],
    limit: int,
) -> Contender:
    return Contender(name, lambda _: asyncio.run(fetch(url, codes, limit)))  # type: ignore[arg-type]


async def _httpx(url: str, codes: Sequence[str], limit: int) -> pl.DataFrame:
    semaphore = asyncio.Semaphore(limit)
    async with httpx.AsyncClient() as client:

        async def get(code: str) -> list[dict[str, object]]:
            async with semaphore:
                response = await client.get(f"{url}/eod/{code}", params=_PARAMS)
            response.raise_for_status()
            return [{"code": code, **row} for row in response.json()]

        answers = await asyncio.gather(*(get(code) for code in codes))
    return pl.DataFrame([row for rows in answers for row in rows])


async def _aiohttp(url: str, codes: Sequence[str], limit: int) -> pl.DataFrame:
    decoder, waiting = msgspec.json.Decoder(list[Bar]), iter(codes)
    names: list[str] = []
    bars: list[Bar] = []

    async def work(session: aiohttp.ClientSession) -> None:
        for code in waiting:
            async with session.get(f"{url}/eod/{code}", params=_PARAMS) as response:
                response.raise_for_status()
                rows = decoder.decode(await response.read())
            names.extend([code] * len(rows))
            bars.extend(rows)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(work(session) for _ in range(limit)))
    return pl.DataFrame({"code": names, **{name: [getattr(bar, name) for bar in bars] for name in _COLUMNS}})


def _dlt(folder: Path, url: str, codes: Sequence[str], limit: int) -> pl.DataFrame:
    """Extracted in parallel, and normalised to Parquet."""
    client = RESTClient(url)

    @dlt.defer
    def get(code: str) -> list[dict[str, object]]:
        return [{"code": code, **row} for row in client.get(f"eod/{code}", params=_PARAMS).json()]

    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "EXTRACT__WORKERS": str(limit), "RUNTIME__LOG_LEVEL": "ERROR"}
    pipeline = dlt.pipeline(
        "prices", pipelines_dir=str(folder), destination=dlt.destinations.filesystem(str(folder / "out"))
    )
    pipeline.extract(dlt.resource((get(code) for code in codes), name="prices"), loader_file_format="parquet")
    pipeline.normalize()
    return pl.concat(pl.read_parquet(file) for file in folder.rglob("prices.*.parquet"))


def _agree(ours: pl.DataFrame, peer: pl.DataFrame) -> None:
    """Which body a code gets depends on the order of requests, so only what all bodies share is compared."""
    columns = ["code", "date", "open", "low", "close", "adjusted_close", "volume"]
    typed = peer.with_columns(pl.col("date").cast(pl.String), pl.col("volume").cast(pl.Float64)).select(columns)
    assert_frame_equal(ours.select(columns).sort("code", "date"), typed.sort("code", "date"))
