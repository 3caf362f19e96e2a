"""The source that flows/README.md shows, against a server that has its rates."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dataframely as dy
import polars as pl
import pytest

from tasks.errors import ContractError
from tasks.extract.http import Answer
from tasks.lake import open_lake
from tasks.transform.quarantine import Figures, split_rows
from tasks.window import Window
from tests.flows.conftest import House
from tests.flows.own.own_source import RATES, Rates, exchange_rates, read

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

WEEK = Window(first=date(2024, 1, 29), last=date(2024, 2, 4))


class RateServer:
    """`rates` by currency and ISO date. The first answers fail, as many as `failures` says."""

    def __init__(self) -> None:
        self.rates: dict[str, dict[str, float | str | None]] = {
            "USD": {"2024-01-26": 1.08, "2024-01-29": 1.0823, "2024-01-30": 1.0846, "2024-02-02": 1.0883},
            "JPY": {"2024-01-29": 160.13, "2024-01-30": 159.97},
        }
        self.failures = 2
        self.url = ""

    def answer(self, address: str) -> tuple[int, object]:
        if self.failures:
            self.failures -= 1
            return 503, {}
        parts = urlsplit(address)
        window = parse_qs(parts.query)
        found = self.rates.get(parts.path.rpartition("/")[2])
        if found is None:
            return 404, {}
        days = [d for d in found if window["first"][0] <= d <= window["last"][0]]
        return 200, [{"date": day, "rate": found[day]} for day in days] if found else "maintenance"


@contextmanager
def running(server: RateServer) -> Iterator[RateServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = server.answer(self.path)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def rates() -> Iterator[RateServer]:
    with running(RateServer()) as server:
        yield server


@pytest.fixture
def house(build: Callable[[str, str], House], rates: RateServer) -> House:
    return build("own", rates.url)


def run(server: RateServer, *currencies: str) -> Figures:
    return asyncio.run(exchange_rates(server.url, list(currencies), WEEK))


def test_it_has_less_than_sixty_lines() -> None:
    own = Path(__file__).with_name("own_source.py").read_text(encoding="utf-8")
    assert len(own.splitlines()) < 60


def test_rates_come_into_the_lake_and_the_table(house: House, rates: RateServer) -> None:
    assert run(rates, "USD", "JPY") == Figures(received=5, added=5)
    assert house.table("rates").sort("currency", "date").rows() == [
        ("JPY", "2024-01-29", 160.13),
        ("JPY", "2024-01-30", 159.97),
        ("USD", "2024-01-29", 1.0823),
        ("USD", "2024-01-30", 1.0846),
        ("USD", "2024-02-02", 1.0883),
    ]


def test_the_same_again_changes_no_rate_and_a_revised_one_changes_that_row(house: House, rates: RateServer) -> None:
    run(rates, "USD", "JPY")
    before = house.table("rates")
    assert run(rates, "USD", "JPY") == Figures(received=5, unchanged=5)
    assert house.table("rates").equals(before)
    rates.rates["JPY"]["2024-01-30"] = 160.02
    assert run(rates, "USD", "JPY") == Figures(received=5, revised=1, unchanged=4)
    changed = house.table("rates").join(before, on=before.columns, how="anti")
    assert changed.rows() == [("JPY", "2024-01-30", 160.02)]


def test_rates_that_cannot_be_are_in_quarantine(house: House, rates: RateServer) -> None:
    rates.rates["USD"] |= {"2024-01-30": 0.0, "2024-02-01": None}
    assert run(rates, "USD") == Figures(received=4, quarantined=2, added=2)
    lake = open_lake(str(house.lake))
    bad = lake.read(RATES.quarantine, lake.partitions(RATES.quarantine)).collect()
    assert bad.select("currency", "date", "rate", "reasons").rows() == [
        ("USD", "2024-01-30", "0", "rate is not above zero"),
        ("USD", "2024-02-01", None, "rate is missing"),
    ]


def test_an_unknown_currency_is_named(house: House, rates: RateServer) -> None:
    with pytest.raises(ContractError, match="XXX was answered 404, with no rates"):
        run(rates, "USD", "XXX")


def test_an_answer_that_is_no_list_is_told_in_words(house: House, rates: RateServer) -> None:
    rates.rates["EUR"] = {}
    with pytest.raises(ContractError, match="EUR was answered 200, with no rates"):
        run(rates, "EUR")


def test_what_is_no_rate_or_no_date_is_in_quarantine_as_it_came(house: House, rates: RateServer) -> None:
    rates.rates["USD"] |= {"2024-01-30": "soon", "2024-02-01": True, "2024-02-02": "1.0883"}
    assert run(rates, "USD") == Figures(received=4, quarantined=2, added=2)
    lake = open_lake(str(house.lake))
    bad = lake.read(RATES.quarantine, lake.partitions(RATES.quarantine)).collect()
    assert bad.select("date", "rate").rows() == [("2024-01-30", "soon"), ("2024-02-01", "true")]


def test_an_american_source_is_read_as_its_contract_says_and_not_without() -> None:
    """01/02/2024 is the second of January; the thirteenth month, or another form, is none of its days."""
    told = ["01/02/2024", "1/31/2024", "13/01/2024", "2024-01-31", "01/02/24", 20240131]
    rows = read("USD", Answer(200, {}, json.dumps([{"date": day, "rate": 1.08} for day in told]).encode()))
    rows = rows.with_columns(fetched_at=pl.lit(datetime(2024, 3, 1, tzinfo=UTC)))
    contract = type("American", (Rates,), {"date": dy.Date(primary_key=True, metadata={"format": "%m/%d/%Y"})})
    good, bad = split_rows(rows, replace(RATES, schema=contract))
    assert good["date"].to_list() == [date(2024, 1, 2), date(2024, 1, 31)]
    assert bad["date"].to_list() == [str(day) for day in told[2:]]
    assert bad["reasons"].unique().to_list() == [
        "date is no date that is written %m/%d/%Y, as the metadata of the column says"
    ]
    good, bad = split_rows(rows, RATES)
    assert good["date"].to_list() == [date(2024, 1, 31)]
    assert bad["reasons"].str.contains('"format" or "epoch" in the metadata of the column').all()


def test_the_log_has_the_figures(house: House, rates: RateServer, caplog: pytest.LogCaptureFixture) -> None:
    rates.rates["USD"] |= {"2024-01-30": 0.0}
    run(rates, "USD", "JPY")
    told = [(r.levelname, r.getMessage()) for r in caplog.records if "received" in r.message or "batch" in r.message]
    assert told == [
        ("INFO", "rates: received 5, quarantined 1, duplicates 0, added 4, revised 0, unchanged 0, withdrawn 0"),
        ("WARNING", f"1 of 5 rows for rates are in quarantine/rates, batch window={WEEK}"),
    ]


def test_a_source_whose_rows_are_all_wrong_fails_and_says_so(house: House, rates: RateServer) -> None:
    rates.rates["USD"] = dict.fromkeys(rates.rates["USD"], 0.0)
    with pytest.raises(ContractError, match=r"3 of 3 rows for rates are in quarantine/rates, .*rate is not above zero"):
        run(rates, "USD")
