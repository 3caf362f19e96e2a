"""The encoding of a text file, by its first bytes."""

import codecs
from pathlib import Path

from tasks.errors import ContractError

_LOOKED_AT = 64 << 10  # bytes
_MARKS = (  # of four bytes before those of two, which they begin with
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def find_encoding(path: Path, given: str | None) -> str:
    """By the byte order mark, else the one given, else UTF-16 if every other byte is zero, else UTF-8.

    Raises ContractError for a file that is no text."""
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if given:
        return given
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if not even and not odd:
        return "utf-8"
    if even == 0 and odd > len(head) / 4:
        return "utf-16-le"
    if odd == 0 and even > len(head) / 4:
        return "utf-16-be"
    raise ContractError(
        "The file is neither text nor an Excel workbook: there are zeros among its bytes. Drop a CSV or XLSX file."
    )


def decode_error(encoding: str, said: str) -> ContractError:
    return ContractError(
        f"The file has bytes that are not {encoding}: {said}. Set layout.encoding to what it is written in, such as "
        "cp1252, or correct the file."
    )
