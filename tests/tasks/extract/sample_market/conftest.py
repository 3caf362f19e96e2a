from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from tasks.extract.sample_market import Served, SimulatedMarket, serve

AS_OF = date(2024, 6, 28)  # a Friday


class Clock:
    """A moment that only a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2024, 6, 28, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def market() -> SimulatedMarket:
    return SimulatedMarket(300, seed=7, as_of=AS_OF)


@pytest.fixture(scope="session")
def served(market: SimulatedMarket) -> Iterator[Served]:
    """One server for the tests that change nothing of it."""
    with serve(market) as running:
        yield running


@pytest.fixture(scope="session")
def api(served: Served) -> Iterator[httpx.Client]:
    """A client of the served market, with the token that may do everything."""
    with httpx.Client(base_url=served.url, params={"api_token": "demo", "fmt": "json"}, timeout=30) as client:
        yield client
