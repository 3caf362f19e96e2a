"""Each warehouse that the conformance tests run against is one parameter here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis.configuration import set_hypothesis_home_dir

from tasks.load.warehouse import Warehouse, open_warehouse

set_hypothesis_home_dir(Path(__file__).parents[3] / ".cache" / "hypothesis")


@pytest.fixture(params=["sqlite"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty warehouse."""
    return f"{request.param}:///{tmp_path}/warehouse.sqlite"


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    with open_warehouse(warehouse_url) as opened:
        yield opened


@pytest.fixture
def execute(warehouse: Warehouse) -> Callable[[str], int]:
    """Runs a statement, as somebody else who changes the warehouse would."""
    return lambda sql: warehouse._connection.execute(sa.text(sql))
