"""What other processes do with a warehouse, for the tests to race with and to kill; `say` sends a line back."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import polars as pl

from tasks.database.transaction import writing
from tasks.errors import TransientError
from tasks.load.request import Part
from tasks.load.warehouse import open_warehouse
from tests.tasks.warehouses.examples import QUOTES, query

PARTS = 8
CODES = 500
DAYS = 60

Say = Callable[[str], None]
Wait = Callable[[], object]


def rows(number: int, snapshot: str) -> pl.DataFrame:
    """30,000 rows, each of them different in every snapshot."""
    codes = pl.DataFrame({"code": [f"{number}-{i}" for i in range(CODES)]})
    days = pl.select(
        day=pl.date_range(date(2024, 1, 1), interval="1d", end=date(2024, 1, 1) + timedelta(days=DAYS - 1))
    )
    close = pl.int_range(pl.len()).cast(pl.Float64) + float(snapshot)
    return (
        codes.join(days, how="cross").with_columns(close=close, volume=pl.lit(int(snapshot), pl.Int64)).sort(QUOTES.key)
    )


def everything(snapshot: str) -> pl.DataFrame:
    return pl.concat(rows(number, snapshot) for number in range(PARTS)).sort(QUOTES.key)


def load(say: Say, wait: Wait, url: str, snapshot: str, base: str | None = None) -> None:
    """Says `here`, a line for each part as it is asked for, `no more parts`; at last `loaded N` or `refused`."""
    say("here")
    with open_warehouse(url) as warehouse:
        if url.startswith("sqlite:"):  # so little memory that the file is written to long before the end
            query(warehouse, "PRAGMA cache_size = -256")
        try:
            result = warehouse.load(QUOTES, _parts(say, snapshot, base), run=f"run {snapshot}")
        except TransientError as error:
            say(f"refused: {error}")
        else:
            say(f"loaded {result.rows_read}")


def hold(say: Say, wait: Wait, url: str) -> None:
    """Says `held` when it has the lock, and holds it until it is told to go on."""
    with open_warehouse(url) as warehouse, writing(warehouse._connection):
        say("held")
        wait()


def _parts(say: Say, snapshot: str, base: str | None) -> Iterator[Part]:
    for number in range(PARTS):
        say(f"part {number}")
        frame = rows(number, snapshot)
        yield Part(f"p{number}", snapshot, frame, frame.select(QUOTES.key).clear(), base)
    say("no more parts")
