"""Wide files of every oddity, each really written to disk: what is read from them, or why they are refused."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.datasets import RAW_VENDOR_COLUMNS, RAW_VENDOR_ROWS, shard_of
from tasks.errors import ContractError
from tasks.extract.wide_files.layout import Layout
from tasks.extract.wide_files.wide_file import open_wide_file

TODAY = date(2024, 3, 1)
JAN, FEB = date(2024, 1, 31), date(2024, 2, 1)
HEADER = "id;name;31/01/2024;01/02/2024\n"
TWO = "id;31/01/2024;01/02/2024\n"


def rows_of(path: Path, **layout: Any) -> pl.DataFrame:
    rows = pl.concat(list(open_wide_file(path, Layout.model_validate(layout), TODAY).rows()))
    assert rows.schema == RAW_VENDOR_ROWS.polars_schema
    return rows


def dates_of(path: Path, **layout: Any) -> list[date]:
    columns = open_wide_file(path, Layout.model_validate(layout), TODAY).columns()
    assert columns.schema == RAW_VENDOR_COLUMNS.polars_schema
    return columns["date"].to_list()


def read(path: Path, **layout: Any) -> dict[str, list[float | None]]:
    """Each code's values in the order of the columns."""
    return dict(rows_of(path, **layout).select("code", "values").iter_rows())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dropped"


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-16-le", None),
        ("utf-16-be", None),
        ("utf-32", None),
        ("cp1252", "cp1252"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-8-sig", "cp1252"),  # the file says what it is
        ("shift-jis", "shift_jis"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(path, encoding, given, line_end):
    name = "テスト" if encoding == "shift-jis" else "Société"
    text = f"id;{name};31/01/2024;01/02/2024\n{name};x;1.5;2.5\nB;y;3.5;4.5"
    path.write_bytes(text.replace("\n", line_end).encode(encoding))
    assert read(path, encoding=given) == {name: [1.5, 2.5], "B": [3.5, 4.5]}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("given", [True, False])
def test_separators(path, separator, given):
    path.write_text((HEADER + 'A;"x;, \t|";1.5;"2.5"\n').replace(";", separator))
    assert read(path, separator=separator if given else None) == {"A": [1.5, 2.5]}


@pytest.mark.parametrize(
    ("header", "layout", "dates"),
    [
        ("id;31/01/2024;01/02/2024", {}, [JAN, FEB]),
        ("id;31/1/2024;1/2/2024", {}, [JAN, FEB]),
        (" id ; 31/01/2024 ;\t01/02/2024 ", {}, [JAN, FEB]),
        ("id;2024-01-31;2024-02-01", {}, [JAN, FEB]),
        ("id;2024-01-31 00:00:00;2024-02-01T00:00", {}, [JAN, FEB]),
        ("id;2024-02-01;31/01/2024", {}, [FEB, JAN]),
        ("id;02/02/2024;01/01/2024", {}, [date(2024, 2, 2), date(2024, 1, 1)]),  # the same either way
        ("id;02/01/2024;03/01/2024", {"date_format": "%d/%m/%Y"}, [date(2024, 1, 2), date(2024, 1, 3)]),
        ("id;02/01/2024;03/01/2024", {"date_format": "%m/%d/%Y"}, [FEB, date(2024, 3, 1)]),
        ("id;31.01.24;01.02.24", {"date_format": "%d.%m.%y"}, [JAN, FEB]),
        ("id;31-Jan-2024;01-Feb-2024", {"date_format": "%d-%b-%Y"}, [JAN, FEB]),
        ("id;20240131;20240201", {"date_format": "%Y%m%d"}, [JAN, FEB]),
        ("id;Jan 31, 2024;Feb 1, 2024", {"date_format": "%b %d, %Y"}, [JAN, FEB]),
        ("id;31.01.2024;2024-02-01", {"date_format": "%d.%m.%Y"}, [JAN, FEB]),
        ("id;31/01/2024;31/01/2024", {}, [JAN, JAN]),
        ("id;31/01/2024;01/02/2024;Total", {"ignore": ["Total"]}, [JAN, FEB]),
        ("id;05/06/2024;31/01/2024", {"ignore": ["31/01/2024"], "date_format": "%d/%m/%Y"}, [date(2024, 6, 5)]),
        ("id;31/01/2024;;01/02/2024;;", {}, [JAN, FEB]),
        ("id;;name;name;31/01/2024;01/02/2024", {}, [JAN, FEB]),
    ],
)
def test_headers(path, header, layout, dates):
    path.write_text(f"{header}\nA{';' * header.count(';')}\n")
    assert dates_of(path, **layout) == dates


@pytest.mark.parametrize(
    ("above", "skip"),
    [("", 0), ("\n\n", 0), ("Prices\n", 1), ("Prices; of\n\nSource: us\n", 3), ('"A title\nof two lines"\n', 2)],
)
def test_lines_above_the_header(path, above, skip):
    path.write_text(f"{above}{HEADER}A;x;1.5;2.5\n")
    assert read(path, skip_rows=skip) == {"A": [1.5, 2.5]}


@pytest.mark.parametrize("text", ["name;ISIN;31/01/2024\nx;A;1.5\nx;B;2.5\n", "31/01/2024;ISIN\n1.5;A\n2.5;B\n"])
def test_the_identifier_may_be_any_column(path, text):
    path.write_text(text)
    assert read(path, identifier="ISIN") == {"A": [1.5], "B": [2.5]}


@pytest.mark.parametrize(
    ("cells", "decimal", "values"),
    [
        (["1", "-2"], None, [1, -2]),
        (["1.5", "+.25"], None, [1.5, 0.25]),
        (["1,5", "1,25"], None, [1.5, 1.25]),
        (["1.5", "1,234"], None, [1.5, 1234]),
        (["1,5", "1.234"], None, [1.5, 1234]),
        (["1,234.5", "12,345,678"], None, [1234.5, 12345678]),
        (["1.234,5", "12.345.678"], None, [1234.5, 12345678]),
        (["1 234,5", "1 234"], None, [1234.5, 1234]),
        (["1\u00a0234,5", "12\u202f345,25"], None, [1234.5, 12345.25]),
        (["1'234.5", "1\u2019234\u2019567"], None, [1234.5, 1234567]),
        (["0.125", "1.125"], None, [0.125, 1.125]),
        (["1234.125", "1.125"], None, [1234.125, 1.125]),
        (["1,234,567", "1.125"], None, [1234567, 1.125]),
        (["1.5e3", "2E-1"], None, [1500, 0.2]),
        (["\u22121.5", "\u22121,234.5"], None, [-1.5, -1234.5]),
        ([" 1.5 ", "\u00a02.5\t"], None, [1.5, 2.5]),
        (["1.234", "1.234"], ".", [1.234, 1.234]),
        (["1.234", "1.234"], ",", [1234, 1234]),
        (["1,234", "1,234"], ",", [1.234, 1.234]),
        (["1234567890123.25", "0.1"], None, [1234567890123.25, 0.1]),
    ],
)
def test_numbers(path, cells, decimal, values):
    path.write_text(f"{TWO}A;{';'.join(cells)}\n", encoding="utf-8")
    assert rows_of(path, decimal=decimal).select("values", "unread").rows() == [(values, None)]


@pytest.mark.parametrize(
    "text", ["", " ", "-", "--", "n/a", "N/A", "#N/A", "#N/A N/A", "NA", "n.a.", "NaN", "nan", "NULL", "None"]
)
def test_texts_for_no_value(path, text):
    path.write_text(f"{TWO}A;1.5;{text}\n")
    assert rows_of(path).select("values", "unread").rows() == [([1.5, None], None)]


def test_other_texts_for_no_value(path):
    path.write_text(f"{TWO}A;Closed;-\n")
    rows = rows_of(path, no_value=["closed"])
    assert rows.select("values", "unread_at", "unread").rows() == [([None, None], [1], ["-"])]


@pytest.mark.parametrize(
    "text", ["abc", "12%", "€ 5", "(5)", "5-", "1.2.3", "1,23,456.5", "12 34.5", "--5", "inf", "1e999", "1,5", "0x10"]
)
def test_texts_that_are_no_numbers_are_kept_as_received(path, text):
    path.write_text(f"{TWO}A;1.5;{text}\nB;{text};{text}\n", encoding="utf-8")
    assert rows_of(path, decimal=".").select("row", "values", "unread_at", "unread").rows() == [
        (2, [1.5, None], [1], [text]),
        (3, [None, None], [0, 1], [text, text]),
    ]


def test_rows_are_numbered_and_placed_and_empty_ones_left_out(path):
    path.write_text(f"Title\n{HEADER}A;x;1.5;\n;;;\n;no code;2.5;\n B ;;;\n")
    rows = rows_of(path, skip_rows=1)
    assert rows.select("row", "code", "values").rows() == [
        (3, "A", [1.5, None]),
        (5, None, [2.5, None]),
        (6, "B", [None, None]),
    ]
    assert rows["shard"].to_list() == [shard_of(code, RAW_VENDOR_ROWS.shards) for code in ("A", "", "B")]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ('="0007"', "0007"),
        ('"=""0007"""', "0007"),
        ('=" 0007 "', "0007"),
        ('=""', None),
        ("=A1*2", None),
        ("#N/A", None),
        ("#REF!", None),
        ("#DIV/0!", None),
        ("#NAME?", None),
        ("1.23457E+11", None),  # one of 123456789012, 123456812345 and more
        ("2024-03-01 00:00:00", None),  # was MAR1
        ("NA", "NA"),
        ("#12", "#12"),
        ("17275E10", "17275E10"),
        ("2024-03-01", "2024-03-01"),
    ],
)
def test_identifiers(path, cell, code):
    path.write_text(f"{TWO}{cell};1.5;2\n")
    assert rows_of(path).select("code", "values").rows() == [(code, [1.5, 2])]


def test_a_file_of_many_rows_comes_in_parts_that_are_read_alike(path):
    """The decimal mark is proved in the last row only, and the first part has to know it."""
    count = 400_000
    lines = [f"C{n:06};a name that takes its bytes too;1.234;5.678\n" for n in range(count)]
    path.write_text(HEADER + "".join(lines) + "LAST;;0,5;\n")
    frames = list(open_wide_file(path, Layout(), TODAY).rows())
    assert len(frames) > 1
    rows = pl.concat(frames)
    assert rows["row"].to_list() == list(range(2, count + 3))
    assert rows["values"].head(1).to_list() == [[1234, 5678]]
    assert rows["values"].tail(1).to_list() == [[0.5, None]]


@pytest.mark.parametrize(
    ("content", "layout", "message"),
    [
        ("", {}, "The file is empty"),
        ("\n\n", {}, "The file is empty"),
        (HEADER, {}, "no row below its header"),
        (HEADER.strip(), {}, "no row below its header"),
        (HEADER + ";;;\n", {}, "no row below its header"),
        (HEADER, {"skip_rows": 5}, "nothing is left of it below the rows to skip"),
        ("id;name\nA;x\n", {}, r"None of the 2 columns is a date dd/mm/yyyy.*'id', 'name'.*layout.date_format"),
        (HEADER + "A;x;1;2\n", {"separator": ","}, "None of the 1 columns"),
        ("id;31/01/24\nA;1\n", {}, "None of the 2 columns is a date"),
        ("id;31.01.2024\nA;1\n", {}, "None of the 2 columns is a date dd/mm/yyyy"),
        ("id;20240131\nA;1\n", {}, "None of the 2 columns is a date"),
        ("id;31/02/2024\nA;1\n", {}, "None of the 2 columns is a date"),
        ("id;31/01/24\nA;1\n", {"date_format": "%d/%m/%Y"}, "is a date %d/%m/%Y"),
        ("id;01/02/2024;02/03/2024\nA;1;2\n", {}, r"'01/02/2024' may be day 1 of month 2, or day 2 of month 1"),
        ("id;01/31/2024\nA;1\n", {}, r"month first in '01/31/2024'.*Set layout.date_format to %m/%d/%Y"),
        ("id;31/01/2024;01/31/2024\nA;1;2\n", {}, "day first in '31/01/2024' and the month first in '01/31/2024'"),
        ("id;31/01/2024;Total\nA;1;2\n", {}, r"these columns are none: 'Total'.*layout.ignore"),
        ("id;31/01/2024;29.02.2024\nA;1;2\n", {}, r"these columns are none: '29.02.2024'"),
        ("id;31.01.2024;29/02/2024\nA;1;2\n", {}, r"these columns are none: '31.01.2024'"),
        ("id;31/01/2024;30/02/2024\nA;1;2\n", {}, r"these columns are none: '30/02/2024'"),
        ("id;2024-01-31 18:00:00;2024-02-01\nA;1;2\n", {}, "these columns are none: '2024-01-31 18:00:00'"),
        ("31/01/2024;id\n1;A\n", {}, "first column is the date 31/01/2024"),
        ("31/01/2024;id;name\n1;A;x\n", {"identifier": "id"}, "these columns are none: 'name'"),
        ("31/01/2024;01/02/2024\n1;2\n", {}, "first column is the date 31/01/2024.*layout.identifier"),
        (";31/01/2024\nA;1\n", {}, r"first column is without a name.*layout.identifier"),
        ("id;31/01/2024\nA;1\n", {"identifier": "ISIN"}, "identifier 'ISIN' 0 times"),
        ("ISIN;ISIN;31/01/2024\nA;B;1\n", {"identifier": "ISIN"}, "identifier 'ISIN' 2 times"),
        ("id;n;31/01/2024\nA;x;1\n", {"identifier": ["id", "x"]}, "identifier 'x' 0 times"),
        ("id;Jan-24;2024-02-29\nA;1;2\n", {}, r"these columns are none: 'Jan-24'.*layout.ignore"),
        (
            "id;name;\u00e4nner;2024-02-29\nA;x;1,5;2\nB;y;-;2\n",
            {},
            "column '\u00e4nner' has nothing but numbers.*layout.ignore",
        ),
        ("id;31/01/2024;\nA;1;\nB;1;7\n", {}, "Row 3 has a value in column 3, which has no name"),
        (HEADER + "A;x;1;2\nB;y;3\n", {}, r"Row 3 has 3 cells and the header has 4: 'B;y;3'"),
        (HEADER + "A;x;1;2\nB;y;3;4;5\n", {}, "Row 3 has 5 cells and the header has 4"),
        ("id,31/01/2024\nA,1,234.5\n", {}, r"Row 2 has 3 cells and the header has 2: 'A,1,234.5'.*quotes"),
        (HEADER + 'A;"x;1;2\nB;y;3;4\n', {}, "The file ends within quotes"),
        (HEADER + 'A;"x;1;2\nB;y";3;4\n', {}, "Row 2 is one row with its quotes and 2 without"),
        ('"' + HEADER + "A;x;1;2\n", {}, "The file ends within quotes"),
        ('id;31/01/2024\nA;5\nB;"1', {}, "The file ends within quotes: it was cut off"),
        (TWO + "A;1.234;5.678\n", {}, r"'1.234' may be a number of thousands.*layout.decimal"),
        (TWO + "A;1,234;5,678\n", {}, r"'1,234' may be a number of thousands"),
        (TWO + "A;1.5;1,5\n", {}, r"a point in '1.5' and a comma in '1,5'.*layout.decimal"),
    ],
)
def test_what_is_refused_says_what_to_do(path, content, layout, message):
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ContractError, match=message) as refusal:
        read(path, **layout)
    assert str(path.parent) not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((TWO + "Société;1;2\n").encode("cp1252"), r"not utf-8.*layout.encoding"),
        ((TWO + "A;1;2\n" * 400_000 + "é;1;2\n").encode("cp1252"), r"not utf-8.*layout.encoding"),
        (("é" + TWO + "A;1;2\n").encode("cp1252"), r"not utf-8.*layout.encoding"),
        ((TWO + "A;1;2\n").encode("utf-16")[:-1], r"not utf-16.*truncated"),
        (b"\x00\x01\x02PAR1\x00", "neither text nor an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook of before 2007, or one with a password"),
        (b"PK\x03\x04nothing of a workbook", "Excel workbook cannot be read.*Save it anew"),
    ],
)
def test_bytes_that_are_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ContractError, match=message) as refusal:
        read(path)
    assert str(path.parent) not in str(refusal.value)


@pytest.mark.parametrize(
    "column",
    [
        *("Jan-24", "January 2024", "2024 Jan", "31 Jan", "31-Jan-24", "Close Jan 2024", "SEPT24"),
        *(
            "2024-01",
            "01/2024",
            "2024",
            "1999",
            "20240131",
            "31.1.24",
            "31/01/2024 18:00",
            "2024-01-31T18:00Z",
            "45322",
        ),
        *("2024Q1", "2024-Q1", "Q1 2024", "q1/24", "2024M01", "H1 2024", "FY24", "FY 2024"),
    ],
)
def test_a_date_that_is_written_another_way_is_never_left_out(path, column):
    path.write_text(f"id;{column};2024-02-29;2024-03-31\nA;x;101;102\n")
    with pytest.raises(ContractError, match=f"these columns are none: {column!r}"):
        read(path)
    assert read(path, ignore=[column]) == {"A": [101, 102]}


@pytest.mark.parametrize(
    "name", ["Name", "Marketing 2", "Decile 1", "52W", "M2", "Issuer 2030 plc", "Junior", "maybe", "Coupon 4.5%", "12"]
)
def test_other_descriptions_may_be_anything_but_numbers(path, name):
    path.write_text(f"id;{name};2024-02-29\nA;1;101\nB;x;102\n")
    assert read(path) == {"A": [101], "B": [102]}
    path.write_text(f"id;{name};2024-02-29\nA;1;101\nB;n/a;102\n")
    with pytest.raises(ContractError, match="has nothing but numbers"):
        read(path)


@pytest.mark.parametrize(
    ("text", "day"),
    [("67", 1967), ("68", 1968), ("69", 1969), ("99", 1999), ("00", 2000), ("23", 2023), ("44", 2044), ("45", 1945)],
)
def test_years_of_two_digits_are_of_the_century_that_ends_in_20_years(path, text, day):
    path.write_text(f"id;31-Dec-{text}\nA;1\n")
    assert dates_of(path, date_format="%d-%b-%y") == [date(day, 12, 31)]


def test_a_29th_of_february_that_never_was(path):
    path.write_text("id;29-02-00;28-02-00\nA;1;2\n")
    with pytest.raises(ContractError, match="these columns are none: '29-02-00'"):
        open_wide_file(path, Layout(date_format="%d-%m-%y"), date(1970, 1, 1))


REGIONS = "Province;Country;Kind;2024-01-31\n"


def test_several_columns_as_identifier(path):
    path.write_text(REGIONS + "Hubei;China;a;1\n;China;a;2\nA|B;C;a;3\nA;B|C;a;4\n#N/A;C;a;5\n ; ;a;6\n")
    rows = rows_of(path, identifier=["Province", "Country"])
    assert rows["code"].to_list() == ["Hubei|China", "|China", r"A\|B|C", r"A|B\|C", None, None]


def test_a_few_identifiers_may_repeat_and_any_number_with_the_same_row(path):
    path.write_text(REGIONS + "A;C;a;1\nA;C;b;2\n" + "A;C;a;1\n" * 5)
    assert rows_of(path).height == 7
    unique = "".join(f"P{n};C;a;1\n" for n in range(40))
    path.write_text(REGIONS + unique + "P1;C;a;2\nP2;C;a;2\n")
    assert rows_of(path).height == 42


@pytest.mark.parametrize(
    ("rows", "identifier", "message"),
    [
        (
            "A;C;a;1\nA;C;b;2\nA;C;c;3\n",
            [],
            r"2 of 3 rows .*: 'A' 3 times\. Set layout.identifier to 'Province', 'Kind'",
        ),
        ("A;C;a;1\nA;D;a;2\nB;C;a;3\nB;D;a;4\n", [], "2 of 4 .*identifier to 'Province', 'Country', which"),
        ("A;C;a;1\nA;C;b;2\nA;D;a;3\nA;D;b;4\n", [], "identifier to 'Province', 'Country', 'Kind', which"),
        ("A;C;a;1\nA;C;b;2\nB;C;a;3\nB;C;b;4\n", ["Country"], "3 of 4 .*identifier to 'Country', 'Province', 'Kind'"),
        ("A;C;a;1\nA;C;a;2\nA;C;a;3\n", [], "No other column tells them apart: correct the file"),
    ],
)
def test_identifiers_of_which_many_repeat_are_refused_with_the_columns_that_are_unique(path, rows, identifier, message):
    path.write_text(REGIONS + rows)
    with pytest.raises(ContractError, match=message):
        read(path, identifier=identifier)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"date_format": "%d/%m"}, "does not name a day"),
        ({"date_format": "dd/mm/yyyy"}, "does not name a day"),
        ({"encoding": "utf8mb4"}, "there is no such encoding"),
        ({"decimal": ";"}, "'.' or ','"),
        ({"skip_rows": -1}, "greater than or equal to 0"),
        ({"delimiter": ";"}, "Extra inputs are not permitted"),
    ],
)
def test_a_layout_that_makes_no_sense(layout, message):
    with pytest.raises(ValueError, match=message):
        Layout.model_validate(layout)


def test_an_empty_field_of_the_form_is_none():
    assert Layout.model_validate({"identifier": "ISIN"}).identifier == ["ISIN"]
    empty = {"identifier": "", "date_format": "", "encoding": "", "sheet": ""}
    assert Layout.model_validate(empty) == Layout()
