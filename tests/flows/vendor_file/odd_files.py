"""Wide files of every oddity: what is handled, and what is refused with which words."""

import gzip
from datetime import date

from tests.flows.vendor_file.vendors import wide_xlsx

TWO = "ISIN;31/01/2024;01/02/2024\n"
HANDLED: dict[str, bytes] = {  # each says that A is 1234.5 on the 31st of January and 2 on the 1st of February
    "plain.csv": b"ISIN,31/01/2024,01/02/2024\nA,1234.5,2\n",
    "iso.csv": b"ISIN,2024-01-31,2024-02-01\nA,1234.5,2\n",
    "semicolons.csv": f"{TWO}A;1234,5;2\n".encode(),
    "thousands.csv": f"{TWO}A;1.234,5;2\n".encode(),
    "quoted.csv": b'ISIN,31/01/2024,01/02/2024\n"A","1,234.5","2"\n',
    "spaces.csv": f"{TWO}A;1\u00a0234,5;2\n".encode(),
    "bom.csv": f"{TWO}A;1234.5;2\n".encode("utf-8-sig"),
    "utf16.csv": f"{TWO}A;1234.5;2\n".encode("utf-16"),
    "utf16-without-bom.csv": f"{TWO}A;1234.5;2\n".encode("utf-16-le"),
    "repeated.csv": b"ISIN,31/01/2024,31/01/2024,01/02/2024\nA,1234.5,1234.5,2\n",
    "empty-columns.csv": b"ISIN,,31/01/2024,,01/02/2024,,\nA,,1234.5,,2,,\n",
    "text.csv": b"ISIN,31/01/2024,01/02/2024\nA,1234.5,2\nB,soon,n/a\n",
    "packed.csv.gz": gzip.compress(f"{TWO}A;1234.5;2\n".encode()),
    "dates.xlsx": wide_xlsx([["ISIN", date(2024, 1, 31), date(2024, 2, 1)], ["A", 1234.5, 2]]),
    "texts.xlsx": wide_xlsx([["ISIN", "31/01/2024", "01/02/2024"], ["A", "1,234.5", "2"], ["B", "soon", None]]),
    "empty-columns.xlsx": wide_xlsx([["ISIN", None, date(2024, 1, 31), date(2024, 2, 1)], ["A", None, 1234.5, 2]]),
}
REFUSED: dict[str, tuple[bytes, str]] = {
    "month-first.csv": (b"ISIN,01/31/2024\nA,1\n", "Set layout.date_format to %m/%d/%Y"),
    "either.csv": (b"ISIN,01/02/2024\nA,1\n", "'01/02/2024' may be day 1 of month 2, or day 2 of month 1"),
    "short-years.csv": (b"ISIN,31.01.24\nA,1\n", "Set layout.date_format"),
    "thousands.csv": (f"{TWO}A;1.234;2.345\n".encode(), "'1.234' may be a number of thousands"),
    "latin.csv": (f"{TWO}A\u00e9;1;2\n".encode("cp1252"), "not utf-8"),
    "ragged.csv": (f"{TWO}A;1\n".encode(), "Row 2 has 2 cells and the header has 3"),
    "nameless.csv": (b"ISIN,31/01/2024,\nA,1,7\n", "column 3, which has no name"),
    "total.xlsx": (wide_xlsx([["ISIN", date(2024, 1, 31), "Total"], ["A", 1, 1]]), "these columns are none: 'Total'"),
    "empty.csv": (b"", "The file is empty"),
    "old.xls": (b"\xd0\xcf\x11\xe0 and so on", "workbook of before 2007"),
}
