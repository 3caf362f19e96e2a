"""Numbers of numbers, and of texts that are written as one: digits, a point, and for floats an exponent."""

from decimal import Context, Decimal

import polars as pl

from tasks.conversion.cells import nothing, where, whole

_INTEGER = r"^([+-]?\d+)(?:\.0*)?$"
_FLOAT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$"


def to_number(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Null where a value is no number, or is not wholly one of this type."""
    if column.dtype == pl.String:
        return _from_text(column.str.strip_chars(), dtype)
    return whole(column, dtype) if column.dtype.is_numeric() else nothing(column, dtype)


def _from_text(text: pl.Series, dtype: pl.DataType) -> pl.Series:
    if dtype.is_float():
        return _float(where(text.str.contains(_FLOAT), text), dtype)
    if isinstance(dtype, pl.Decimal):
        # A cast would cut off digits that do not fit.
        text = where(text.str.contains(rf"^[+-]?\d*\.?\d{{0,{dtype.scale}}}0*$"), text)
        return text.cast(dtype, strict=False)
    return text.str.extract(_INTEGER).cast(dtype, strict=False)


def _float(text: pl.Series, dtype: pl.DataType) -> pl.Series:
    """What each text says, to the last digit it has: more than a float can tell is no float."""
    value = text.cast(dtype, strict=False)
    value = where(value.is_finite(), value)
    open_ = (_digits(text) != _digits(value.cast(pl.String))).arg_true()
    lost = [n for n, told, kept in zip(open_, text[open_], value[open_], strict=True) if not _says(told, kept)]
    return where(~pl.int_range(text.len(), eager=True).is_in(lost), value)


def _digits(text: pl.Series) -> pl.Series:
    return text.str.replace("[eE].*", "").str.replace_all(r"\D", "").str.strip_chars("0")


def _says(text: str, value: float) -> bool:
    told = Decimal(text)
    return Context(prec=len(told.as_tuple().digits)).create_decimal(Decimal(value)) == told
