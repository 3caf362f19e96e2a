"""Cells of text become numbers, whichever decimal mark they have. A mark that may be either is never guessed."""

import re
from collections.abc import Sequence

import polars as pl

from tasks.errors import ContractError
from tasks.extract.wide_files.layout import Decimal

_GROUPING = " \u00a0\u202f\u2009'\u2019"  # beside the mark that is not the decimal one: French, Polish, Swiss, ...
_SIGN = "[+\u2212-]?"


def cleaned(texts: pl.Series, no_value: Sequence[str]) -> pl.Series:
    """The texts without space around them; null for those that stand for no value."""
    stripped = texts.str.strip_chars()
    suspect = ~_is_number(stripped)
    if not suspect.any():
        return stripped
    nothing = pl.Series(sorted({text.strip().lower() for text in no_value} | {""}), dtype=pl.String)
    return stripped.set(suspect & stripped.str.to_lowercase().is_in(nothing.implode()), None)


def to_numbers(texts: pl.Series, decimal: Decimal) -> pl.Series:
    """Float64, null for what is null and for what is no finite number. Digits may be grouped by threes."""
    plain = texts if decimal == "." else texts.set(texts.str.contains(".", literal=True), None)
    numbers = _finite(plain.str.replace(decimal, ".", literal=True).cast(pl.Float64, strict=False))
    rest = (numbers.is_null() & texts.is_not_null()).arg_true()
    if rest.is_empty():
        return numbers
    return numbers.scatter(rest, _finite(_ungrouped(texts.gather(rest), decimal)))


class DecimalMark:
    """Which of the two marks is the decimal one, as the cells that it is shown prove it."""

    def __init__(self) -> None:
        self._proofs: dict[Decimal, str] = {}
        self._unclear: str | None = None

    def look(self, texts: pl.Series) -> None:
        is_number = _is_number(texts)
        if "." not in self._proofs:
            self._judge(texts.filter(is_number), ".")
        rest = texts.filter(~is_number & texts.is_not_null())
        self._judge(rest, ".")
        self._judge(rest, ",")

    def decide(self) -> Decimal:
        """Raises ContractError where the cells prove both, and where one may be either and nothing is proved."""
        if len(self._proofs) > 1:
            raise ContractError(
                f"The decimal mark is a point in {self._proofs['.']!r} and a comma in {self._proofs[',']!r}. Set "
                "layout.decimal to the right one: cells that do not fit it go to quarantine."
            )
        if self._unclear and not self._proofs:
            raise ContractError(
                f"{self._unclear!r} may be a number of thousands or one with three decimals, and no other cell tells. "
                "Set layout.decimal to . or to , as the file has it."
            )
        return next(iter(self._proofs), ".")

    def _judge(self, texts: pl.Series, mark: Decimal) -> None:
        marked = texts.filter(texts.str.contains(mark, literal=True))
        self._prove(mark, marked, _decimal(mark))
        self._prove(_other(mark), marked, _repeated(mark))
        if not self._proofs and self._unclear is None:
            self._unclear = _first(marked, rf"^{_SIGN}[1-9]\d{{0,2}}\{mark}\d{{3}}$")

    def _prove(self, mark: Decimal, marked: pl.Series, pattern: str) -> None:
        if mark not in self._proofs and (found := _first(marked, pattern)):
            self._proofs[mark] = found


def _is_number(texts: pl.Series) -> pl.Series:
    return texts.cast(pl.Float64, strict=False).is_finite().fill_null(value=False)


def _finite(numbers: pl.Series) -> pl.Series:
    return numbers.set(~numbers.is_finite(), None)


def _first(texts: pl.Series, pattern: str) -> str | None:
    found = texts.filter(texts.str.contains(pattern))
    return str(found[0]) if found.len() else None


def _other(mark: Decimal) -> Decimal:
    return "," if mark == "." else "."


def _decimal(mark: Decimal) -> str:
    """Numbers in which this mark cannot group digits."""
    groups = rf"\d{{1,3}}(?:[\{_other(mark)}{_GROUPING}]\d{{3}})+"
    forms = [
        rf"{groups}\{mark}\d+",  # 1,234.5
        rf"\d*\{mark}(?:\d\d?|\d{{4,}})",  # 12.5
        rf"\d+\{mark}",
        rf"(?:0\d*|\d{{4,}})?\{mark}\d{{3}}",  # 0.125 and 1234.125
        rf"\d*\{mark}\d*[eE][+-]?\d+",
    ]
    return f"^{_SIGN}(?:{'|'.join(forms)})$"


def _repeated(mark: Decimal) -> str:
    """Numbers in which this mark can only group digits, because it comes again: 1,234,567."""
    return rf"^{_SIGN}\d{{1,3}}(?:\{mark}\d{{3}}){{2,}}$"


def _ungrouped(texts: pl.Series, decimal: Decimal) -> pl.Series:
    separators = [_other(decimal), *_GROUPING]
    mantissa = "|".join(rf"\d{{1,3}}(?:{re.escape(s)}\d{{3}})+" for s in separators)
    is_grouped = texts.str.contains(rf"^{_SIGN}(?:{mantissa}|\d+)(?:\{decimal}\d*)?$")
    digits = texts.set(~is_grouped, None).str.replace_all(f"[{re.escape(''.join(separators))}]", "")
    return digits.str.replace(decimal, ".", literal=True).str.replace("\u2212", "-").cast(pl.Float64, strict=False)
