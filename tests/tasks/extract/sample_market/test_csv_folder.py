"""A folder of files as a market."""

from datetime import date
from pathlib import Path

import httpx
import pytest

from tasks.errors import ConfigurationError
from tasks.extract.sample_market import CsvFolder, serve
from tests.beside import BESIDE

HEAD = "Date,Open,High,Low,Close,Volume,Adj Close\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    newest_first = (
        "2005-02-28,89.62,89.91,87.43,44.86,162902200,43.79\n2005-02-25,89.62,89.91,88.19,88.99,229180400,43.43\n"
    )
    (tmp_path / "AAPL.csv").write_text(HEAD + newest_first)
    (tmp_path / "ibm.csv").write_text(HEAD + "2005-02-25,92.8,93.0,92.2,92.8,3983900,78.11\n")
    return tmp_path


def test_files_are_served_as_codes_of_new_york(folder: Path) -> None:
    query = {"api_token": "demo", "fmt": "json", "from": "2005-02-25", "to": "2005-03-05"}
    with serve(CsvFolder(folder)) as served, httpx.Client(base_url=served.url, params=query) as api:
        assert api.get("/eod/AAPL.US").json() == [
            {
                "date": "2005-02-25",
                "open": 89.62,
                "high": 89.91,
                "low": 88.19,
                "close": 88.99,
                "adjusted_close": 43.43,
                "volume": 229180400,
            },
            {
                "date": "2005-02-28",
                "open": 89.62,
                "high": 89.91,
                "low": 87.43,
                "close": 44.86,
                "adjusted_close": 43.79,
                "volume": 162902200,
            },
        ]
        assert len(api.get("/eod/IBM.US").json()) == 1
        assert api.get("/eod/MSFT.US").status_code == 404
        assert api.get("/eod/AAPL.LSE").status_code == 404
        assert [row["code"] for row in api.get("/eod-bulk-last-day/US").json()] == ["AAPL"]


def test_as_of_is_the_last_day_in_the_files_or_earlier(folder: Path) -> None:
    whole, earlier = CsvFolder(folder), CsvFolder(folder, as_of=date(2005, 2, 25))

    assert whole.as_of == date(2005, 2, 28)
    bars = earlier.bars("AAPL.US", date.min, date.max)
    assert bars is not None
    assert bars["date"].to_list() == [date(2005, 2, 25)]


def test_codes_of_a_day(folder: Path) -> None:
    market = CsvFolder(folder)

    assert market.codes("US") == ["AAPL", "IBM"]
    assert market.codes("US", date(2005, 2, 28)) == ["AAPL"]
    assert market.codes("US", date(2005, 3, 1)) == []
    assert market.codes("LSE") == []


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no CSV file in"):
        CsvFolder(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Date,Open,High,Low,Close,Volume\n2005-02-25,1,1,1,1,1\n", "X.csv has no column Adj Close"),
        (HEAD, "X.csv has no row"),
        (HEAD + "2005-02-25,1,1,1,none,1,1\n", "X.csv cannot be read as prices"),
    ],
)
def test_a_file_that_is_no_prices_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "X.csv").write_text(text)

    with pytest.raises(ConfigurationError, match=message):
        CsvFolder(tmp_path)


REAL_PRICES = BESIDE / "prices"


@pytest.mark.skipif(not REAL_PRICES.is_dir(), reason="no folder of real prices beside the project")
def test_real_prices_are_served() -> None:
    bars = CsvFolder(REAL_PRICES).bars("AAPL.US", date(2005, 2, 25), date(2005, 2, 28))

    assert bars is not None
    assert bars["close"].to_list() == [88.99, 44.86]
