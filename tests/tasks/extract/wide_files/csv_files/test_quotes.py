"""CSV files whose quotes are not as they should be: no row gets another's numbers, and none is lost."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import ContractError
from tests.beside import BESIDE
from tests.tasks.extract.wide_files.test_wide_file import read, rows_of

HEADER = "ISIN,Name,2024-01-30,2024-01-31\n"
SAMPLES = BESIDE / "vendor_files"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('X1,"Acme 5,1,2\nX2,"Beta,3,4\n', """Row 2 has a quoted cell that does not end .*'X1,"Acme 5,1,2"""),
        ('X0,Ok,1,2\nX1,"Acme 5,1,2\nX2,Beta",3,4\n', "Row 3 is one row with its quotes and 2 without them"),
        ('X1,"Acme 5,1,2\nX2,Beta,3,4\nX3,Gamma",5,6\n', "Row 2 is one row with its quotes and 3 without them"),
        ('X1,"Acme" 5,1,2\n', "Row 2 has a quoted cell that does not end"),
        ('X1,"Acme 5" pipe",1,2\n', "Row 2 has a quoted cell that does not end"),
        ('"X1","Acme","1","2\n"X2","Beta","3","4"\n', "Row 2 has a quoted cell that does not end"),
        ('X1,a,1,2\n\nX2,"b,3,4\n', r"The file ends within quotes.* row 3 is never closed"),
        (f'X1,"a,1,2\n{"X2,b,3,4" * 20_000}\n', "Row 2 has a quoted cell that does not end"),
    ],
)
def test_rows_that_may_be_one_or_two_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "file"
    path.write_text(HEADER + rows)
    with pytest.raises(ContractError, match=message):
        read(path)


@pytest.mark.parametrize(
    "name", ['"Acme, Inc."', '"Acme\nInc."', '"Acme, Inc.\nParis, France"', '5" pipe', 'Acme "5"', '"5"" pipe"', '""']
)
def test_quotes_that_are_right(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_text(f"{HEADER}X1,{name},1,2\nX2,Beta,3,4\n")
    assert read(path) == {"X1": [1, 2], "X2": [3, 4]}


def test_the_sample(tmp_path: Path) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("no folder of vendor files beside the project")
    with pytest.raises(ContractError, match="Row 2 has a quoted cell"):
        read(SAMPLES / "quotes.csv")


@settings(max_examples=300, derandomize=True)
@given(
    names=st.lists(st.text('ab ,"', max_size=6), min_size=1, max_size=5),
    quoting=st.sampled_from([{}, {"quoting": csv.QUOTE_ALL}]),
    lost=st.sets(st.integers(0, 40), min_size=1, max_size=4),
)
def test_whatever_quotes_are_lost_no_row_has_the_numbers_of_another(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], quoting: dict[str, Any], lost: set[int]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, **quoting, lineterminator="\n")
    right = {f"X{n}": [n + 0.5, -n - 0.25] for n in range(len(names))}
    writer.writerows([code, name, *values] for name, (code, values) in zip(names, right.items(), strict=True))
    parts = text.getvalue().split('"')
    kept = "".join(part + ('"' if n not in lost else "") for n, part in enumerate(parts[:-1])) + parts[-1]
    path = tmp_path_factory.mktemp("quotes") / "file"
    path.write_text(HEADER + kept)
    try:
        rows = rows_of(path)
    except ContractError:
        return
    assert rows["code"].str.strip_chars('",').to_list() == list(right)
    for values, wanted in zip(rows["values"].to_list(), right.values(), strict=True):
        assert all(value in (None, number) for value, number in zip(values, wanted, strict=True))
        unread = rows["unread"].drop_nulls().explode().to_list()
        assert values == wanted or unread
