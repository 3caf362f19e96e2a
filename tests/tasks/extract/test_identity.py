"""A lake has the rows of one source: those of another never come among them."""

from pathlib import Path

import polars as pl
import pytest

from tasks.datasets import RAW_PRICES, VENDOR_VALUES, Dataset
from tasks.errors import ConfigurationError
from tasks.extract.identity import check_source, host_of
from tasks.extract.prices.source import name_of
from tasks.lake import Change, open_lake
from tasks.settings import Settings


def frame_of(dataset: Dataset, rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dataset.polars_schema)


def test_once_there_are_rows_another_source_is_refused(tmp_path: Path) -> None:
    lake = open_lake(str(tmp_path))
    check_source(lake, RAW_PRICES, "the sampel market", "ETL_SOURCE_NAME", "r0")
    lake.update(RAW_PRICES, "window=none", lambda _: Change([frame_of(RAW_PRICES, [])], inputs=()), "r0")
    for _ in range(2):
        check_source(lake, RAW_PRICES, "the sample market", "ETL_SOURCE_NAME", "r1")
    lake.update(RAW_PRICES, "window=one", lambda _: Change([frame_of(RAW_PRICES, [{"code": "A.US"}])], inputs=()), "r1")
    check_source(lake, VENDOR_VALUES, "host/orders", "ETL_SOURCE_DATABASE_NAME", "r1")
    told = r"prices is from the sample market, and .* is eodhd\.com\. .*set ETL_SOURCE_NAME=the sample market"
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=told):
            check_source(lake, RAW_PRICES, "eodhd.com", "ETL_SOURCE_NAME", "r2")


def test_a_source_is_called_by_its_host_and_no_secret_of_its_url() -> None:
    assert name_of(Settings(source_url=None)) == "the sample market"
    assert name_of(Settings(source_url="https://user:secret@eodhd.com:8443/api?token=x")) == "eodhd.com"
    assert name_of(Settings(source_url="http://10.0.0.4:8099/api", source_name="eodhd.com")) == "eodhd.com"


@pytest.mark.parametrize("url", ["https://[::1", "eodhd.com/api", "", "https://"])
def test_what_is_no_url_is_a_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a URL of http or https\. Check ETL_SOURCE_URL"):
        host_of(url)
