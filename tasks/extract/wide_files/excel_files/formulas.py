"""Formulas of an Excel workbook that no program has computed: the file has the formula, and no number for it.

Libraries that write workbooks leave the result out, or write 0 and have Excel compute all formulas when it opens the
file (https://xlsxwriter.readthedocs.io/working_with_formulas.html#formula-results)."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import IO
from xml.etree import ElementTree as ET

# What the standard library raises for a file that is no workbook, though it began as one.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, ET.ParseError, KeyError, ValueError, RuntimeError)

_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_LONGEST_TAG = 100  # bytes, of an f with its prefix
_BLOCK = 1 << 20  # bytes


def uncomputed_formulas(path: Path, sheet: str) -> list[tuple[int, int, str]]:
    """Row and column, from 0 and from the first column with something in it, and the formula.

    The workbook is one that `check_workbook` has passed."""
    with zipfile.ZipFile(path) as workbook:
        part, computes_later = _part(workbook, sheet)
        with workbook.open(part) as file:
            if not _has_formula(file):
                return []
        found, first = [], None
        with workbook.open(part) as file:
            for row, column, cell in _cells(file):
                formula, result = cell.find("{*}f"), cell.findtext("{*}v") or ""
                if result or cell.find("{*}is") is not None:
                    first = column if first is None else min(first, column)
                if formula is not None and _is_uncomputed(cell.get("t", "n"), result, computes_later):
                    found.append((row, column, f"={formula.text or '(shared formula)'}"))
    return [(row, column - (first or 0), formula) for row, column, formula in found]


_WORKBOOK = "xl/workbook.xml"


def _is_uncomputed(kind: str, result: str, computes_later: bool) -> bool:  # noqa: FBT001 - what the workbook says
    if not result:
        return kind != "str"  # a text may be empty
    return computes_later and kind == "n" and result == "0"


def _part(workbook: zipfile.ZipFile, sheet: str) -> tuple[str, bool]:
    """The file of a sheet, and whether Excel is to compute all formulas when it opens the workbook."""
    book = _xml(workbook, _WORKBOOK)
    (key,) = (
        value
        for found in book.iterfind("{*}sheets/{*}sheet")
        if found.get("name") == sheet
        for name, value in found.attrib.items()
        if name.endswith("}id")
    )
    targets = {r.get("Id"): r.get("Target", "") for r in _xml(workbook, "xl/_rels/workbook.xml.rels")}
    calculation = book.find("{*}calcPr")
    computes_later = calculation is not None and calculation.get("fullCalcOnLoad") in ("1", "true")
    return str(PurePosixPath("/xl") / targets[key])[1:], computes_later


def _xml(workbook: zipfile.ZipFile, part: str) -> ET.Element:
    return ET.fromstring(workbook.read(part))  # noqa: S314 - as above


def _has_formula(file: IO[bytes]) -> bool:
    rest = b""
    for block in iter(lambda: file.read(_BLOCK), b""):
        if _FORMULA.search(rest + block):
            return True
        rest = block[-_LONGEST_TAG:]
    return False


def _cells(file: IO[bytes]) -> Iterator[tuple[int, int, ET.Element]]:
    """Row, column and element of each cell; rows and cells that do not say where they are follow those before."""
    row, column = -1, -1
    around: list[ET.Element] = []  # the elements that are open
    for event, element in ET.iterparse(file, ("start", "end")):  # noqa: S314 - as above
        name = element.tag.rpartition("}")[2]
        if name == "row" and event == "start":
            row, column = int(element.get("r", row + 2)) - 1, -1
        elif name == "row":
            element.clear()
        if event == "start":
            around.append(element)
            continue
        around.pop()
        if around and not any(e.tag.endswith("}row") or e.tag == "row" for e in around[-3:]):
            del around[-1][:]  # what is no cell need not stay
        elif name == "c" and event == "end":
            letters = element.get("r", "").rstrip("0123456789")
            column = reduce(lambda n, c: n * 26 + ord(c) - 64, letters, 0) - 1 if letters else column + 1
            yield row, column, element
