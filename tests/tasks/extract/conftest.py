"""What the tests of extraction share."""

from collections.abc import Iterator
from datetime import date

import pytest

from tasks.extract.sample_market import Served, SimulatedMarket, serve

AS_OF = date(2024, 6, 28)  # a Friday


@pytest.fixture
def source() -> Iterator[Served]:
    """A market of its own for each test, which may change it."""
    with serve(SimulatedMarket(60, seed=7, as_of=AS_OF)) as running:
        yield running
