"""Each store that the conformance tests run against is one parameter here."""

from pathlib import Path

import pytest

from tasks.lake import Lake, open_lake
from tasks.lake.store import Store
from tests.servers.azurite import Azurite, azurite

__all__ = ["azurite"]


@pytest.fixture(params=["local", "azure"])
def lake_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty lake, for this process and others."""
    if request.param == "azure":
        server: Azurite = request.getfixturevalue("azurite")
        return server.empty_lake()
    return str(tmp_path / "lake")


@pytest.fixture
def lake(lake_url: str) -> Lake:
    return open_lake(lake_url)


@pytest.fixture
def store(lake: Lake) -> Store:
    return lake.store
