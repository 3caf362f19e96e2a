"""Tables with a row per date and a column per identifier."""

from datetime import date
from pathlib import Path

import pytest

from tasks.errors import ContractError
from tasks.extract.wide_files.csv_files.text import open_text
from tasks.extract.wide_files.dates_as_rows import dates_across
from tasks.extract.wide_files.layout import Layout
from tests.tasks.extract.wide_files.excel_files.test_sheets import excel
from tests.tasks.extract.wide_files.test_wide_file import dates_of, read, rows_of

DAYS = [date(2024, 1, 31), date(2024, 2, 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dropped"


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("Date,USD,JPY,\n2024-01-31,1.5,N/A,\n2024-02-01,2.5,7.25,\n", {}),
        ("Date;USD;JPY\n31/01/2024;1,5;-\n01/02/2024;2,5;7,25\n", {}),
        ("Date,USD,JPY\n31 Jan 24,1.5,\n01 Feb 24,2.5,7.25\n", {"date_format": "%d %b %y"}),
        ('"Rates, daily",,\nDate,USD,JPY\nUnit,Percent,Yen\n2024-01-31,1.5,\n2024-02-01,2.5,7.25\n', {"skip_rows": 1}),
        ("Date,a,b\nCode,USD,JPY\n2024-01-31,1.5,\n2024-02-01,2.5,7.25\n", {"identifier": "Code"}),
        ("Date,USD,JPY\n2024-01-31,1.5,\n2024-02-01,2.5,7.25\nMean,2,7.25\n", {"ignore": ["Mean"]}),
    ],
)
def test_text(path, text, layout):
    path.write_text(text)
    assert dates_of(path, **layout) == DAYS
    assert read(path, **layout) == {"USD": [1.5, 2.5], "JPY": [None, 7.25]}


def test_several_lines_that_identify_together(path):
    path.write_text("Region,North,North,South\nKind,a,b,a\n2024-01-31,1,2,3\n2024-02-01,4,5,6\n")
    assert read(path, identifier=["Region", "Kind"]) == {"North|a": [1, 4], "North|b": [2, 5], "South|a": [3, 6]}


def test_excel(path):
    excel(path, ["Rates"], ["Date", "USD", 12345], [DAYS[0], 1.5, "soon"], [DAYS[1], 2.5, 7.25])
    assert dates_of(path, skip_rows=1) == DAYS
    assert rows_of(path, skip_rows=1).select("row", "code", "values", "unread").rows() == [
        (2, "USD", [1.5, 2.5], None),
        (3, "12345", [None, 7.25], ["soon"]),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Date,USD\n01/02/2024,1\n", "dates as rows.*'01/02/2024' may be day 1 of month 2"),
        ("Date,USD\n2024-01-31,1\nMean,2\n", "dates as rows, so that its rows are called columns.*are none: 'Mean'"),
        ("Date,USD\nJan-24,1\n2024-02-29,2\n", "dates as rows.*are none: 'Jan-24'"),
    ],
)
def test_what_is_refused_says_which_way_the_table_lies(path, text, message):
    path.write_text(text)
    with pytest.raises(ContractError, match=message):
        read(path)


def test_more_than_fits_into_memory_is_refused(path):
    path.write_text("Date,USD\n2024-01-31,1\n2024-02-01,2\n")
    layout = Layout()
    with pytest.raises(ContractError, match="more than 3 cells"):
        dates_across(open_text(path, layout), layout, most_cells=3)
