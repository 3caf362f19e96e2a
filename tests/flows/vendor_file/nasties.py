"""Files that somebody may drop, to harm the run or the others: by name, what makes their bytes."""

import gzip
import io
import struct
import zipfile
from collections.abc import Callable, Iterable

from tests.flows.vendor_file.vendors import wide_xlsx

_MIB = 1 << 20
_SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{}<sheetData>{}</sheetData></worksheet>'
_TEXT = '<c r="{}" t="inlineStr"><is><t>{}</t></is></c>'
_ROWS = f'<row r="1">{_TEXT.format("A1", "id")}{_TEXT.format("B1", "2024-01-31")}</row>'
_CORNER = '<row r="{0}"><c r="{1}{0}"><v>1</v></c></row>'


def workbook(sheet: str | bytes, other: dict[str, bytes] | None = None, *, told: int | None = None) -> bytes:
    """A workbook of this sheet, and other parts; `told` is what the directory says of the size of each."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(wide_xlsx([["id"]]))) as sound,
        zipfile.ZipFile(made, "w", 8, compresslevel=9) as book,
    ):
        parts = {name: sound.read(name) for name in sound.namelist()}
        parts["xl/worksheets/sheet1.xml"] = sheet.encode() if isinstance(sheet, str) else sheet
        for name, content in (parts | (other or {})).items():
            book.writestr(name, content)
    return made.getvalue() if told is None else _told(made.getvalue(), told)


def _told(archive: bytes, size: int) -> bytes:
    """The archive with this size for each of its larger files, in their own headers and in the directory."""
    data = bytearray(archive)
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.find(mark)
        while at >= 0:
            if struct.unpack_from("<I", data, at + place)[0] > _MIB:
                struct.pack_into("<I", data, at + place, size)
            at = data.find(mark, at + 4)
    return bytes(data)


def _csv(lines: Iterable[str]) -> bytes:
    return "\n".join(lines).encode()


def sheet_of(rows: str, before: str = "") -> str:
    return _SHEET.format(before, rows)


def _shared() -> bytes:
    return (
        b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        + b"<si><t>a</t></si>" * (10 * _MIB)
        + b"</sst>"
    )


_LAUGHS = '<!DOCTYPE w [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))


NASTIES: dict[str, Callable[[], bytes]] = {
    "corner.xlsx": lambda: workbook(sheet_of(_ROWS + _CORNER.format(1048576, "XFD"))),
    "corner-without-first.xlsx": lambda: workbook(
        sheet_of(_ROWS.replace(' r="A1"', "") + _CORNER.format(1048576, "XFD"))
    ),
    "prefixed.xlsx": lambda: workbook(
        sheet_of(_ROWS + _CORNER.format(1048576, "XFD"))
        .replace("<", "<x:")
        .replace("<x:/", "</x:")
        .replace("xmlns", "xmlns:x")
    ),
    "beyond.xlsx": lambda: workbook(sheet_of(_ROWS + _CORNER.format(4_000_000_000, "ZZZZZZ"))),
    "dimension.xlsx": lambda: workbook(
        sheet_of(_ROWS.replace("id", "A") + "<row/>" * 9, '<dimension ref="A1:XFD1048576"/>')
    ),
    "as-large-as-may-be.xlsx": lambda: workbook(sheet_of(_ROWS + _CORNER.format(5000, "ALL"))),
    "shared.xlsx": lambda: workbook(sheet_of(_ROWS), {"xl/sharedStrings.xml": _shared()}),
    "bytes.xlsx": lambda: workbook(sheet_of(_ROWS), {"xl/media/a.bin": bytes(300 * _MIB)}),
    "lying.xlsx": lambda: workbook(sheet_of(_ROWS), {"xl/sharedStrings.xml": _shared()}, told=100),
    "laughs.xlsx": lambda: workbook(f"{_LAUGHS}]>" + sheet_of(_ROWS + "<row><c><f>&a11;</f></c></row>")),
    "deep.xlsx": lambda: workbook(sheet_of(_ROWS + "<a>" * _MIB + "<f/>" + "</a>" * _MIB)),
    "junk.xlsx": lambda: workbook(sheet_of(_ROWS + "<f/>", "<a/>" * _MIB)),
    "no-xml.xlsx": lambda: workbook(b"\x00\xff" * 500),
    "cut.xlsx": lambda: workbook(sheet_of(_ROWS))[:-200],
    "columns.csv": lambda: b"id" + b",2024-01-31" * _MIB + b"\nA,1\n",
    "line.csv": lambda: b"id,2024-01-31\nA," + b"1" * (40 * _MIB) + b"\n",
    "quote.csv": lambda: b'id,2024-01-31\nA,"' + b"1\n" * (20 * _MIB),
    "quotes.csv": lambda: b'"id","2024-01-31"' + b',"\n"' * (8 * _MIB),
    "commas.csv": lambda: _csv(["id" + ",2024-01-31" * 30_000, *["A" + "," * 30_000] * 500]),
    "rows.csv": lambda: _csv(["date" + ",X" * 3000, *["2024-01-31" + ",1" * 3000] * 2000]),
    "zeros.gz": lambda: gzip.compress(bytes(500 * _MIB)),
    "zip-in-gzip.gz": lambda: gzip.compress(gzip.compress(bytes(500 * _MIB))),
    "zeros.csv": lambda: bytes(5000),
    "no-utf-8.csv": lambda: b"id,2024-01-31\nA\xff,1\n",
    "empty.csv": lambda: b"",
    "picture.csv": lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "cut.zip": lambda: b"PK\x03\x04" + b"\xff" * 60,
}
