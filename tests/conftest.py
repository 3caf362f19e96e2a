"""What all tests share: a clean environment, a Prefect server, and the real prices where they are at hand."""

import os
import tracemalloc  # noqa: F401 - pytest imports it when it reports what the garbage collector met, also in an import
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from tests.beside import BESIDE
from tests.servers.prefect_server import prefect_server, used_here

set_hypothesis_home_dir(Path(__file__).parents[1] / ".cache" / "hypothesis")
# How long an example takes is for the machine to say, and what else it does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

REAL_PRICES = BESIDE / "prices"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("ETL_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Prefect server, which flows in this process use too."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as url, used_here(url):
        yield url


@pytest.fixture(scope="session")
def real_prices() -> Path:
    """The folder of real end-of-day prices, beside the project where it is developed."""
    if not (REAL_PRICES / "IBM.csv").exists():
        pytest.skip("the real prices are not beside the project; the simulated market shows the same")
    return REAL_PRICES
