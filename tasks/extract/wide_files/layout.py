"""How a wide vendor file is written, as far as the file itself does not tell."""

import codecs
from datetime import date, datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

Decimal = Literal[".", ","]
Separator = Literal[",", ";", "\t", "|"]

SEPARATORS: tuple[Separator, ...] = get_args(Separator)
_YEARS_AHEAD = 20
_NO_VALUE = ["-", "--", ".", "..", ":", "n/a", "#n/a", "#n/a n/a", "na", "n.a.", "nan", "null", "none"]


class Layout(BaseModel):
    """Empty fields are found out from the file; where it can be read in two ways, it is refused until one is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identifier: list[str] = Field(
        [],
        title="Identifier column",
        description="Its name in the header. Several that are unique together become one code: Hubei|China. Empty: the "
        "first column.",
    )
    date_format: str | None = Field(
        None,
        title="Date format",
        description="Of the header: %d/%m/%Y, %m/%d/%Y, %d.%m.%y, %d-%b-%Y, ... Empty: dd/mm/yyyy if a day above the "
        "12th proves that, or ISO 8601, yyyy-mm-dd.",
    )
    decimal: Decimal | None = Field(
        None, title="Decimal mark", description="Of numbers. Empty: as the cells prove it. The other one groups digits."
    )
    separator: Separator | None = Field(None, title="Separator", description="Of a CSV file's cells. Empty: detected.")
    encoding: str | None = Field(
        None,
        title="Encoding",
        description="Of a CSV file, such as cp1252. Empty: UTF-8, or UTF-16 or UTF-32 as its first bytes show.",
    )
    sheet: str | None = Field(None, title="Sheet", description="Of an Excel file. Empty: the only one.")
    skip_rows: int = Field(0, title="Rows to skip", description="Above the header, such as a title.", ge=0)
    ignore: list[str] = Field([], title="Columns to ignore", description="Such as a total behind the dates.")
    no_value: list[str] = Field(
        _NO_VALUE, title="Texts for no value", description="In cells of numbers, in upper or lower case."
    )

    @field_validator("identifier", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return [value] if isinstance(value, str) and value else value or []

    @field_validator("date_format", "encoding", "sheet", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("date_format")
    @classmethod
    def _names_a_day(cls, value: str | None) -> str | None:
        day = date(2031, 12, 25)
        if value is not None and read_date(day.strftime(value), value) != day:
            raise ValueError("does not name a day. Formats look like %d/%m/%Y, with day, month and year")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        try:
            return codecs.lookup(value).name if value else None
        except LookupError:
            raise ValueError("there is no such encoding. Names look like cp1252, latin-1 or utf-16-le") from None


def read_date(text: str, date_format: str) -> date | None:
    """The date, None for what is none: with a year of less than four digits too, where the format says `%Y`.

    A year of two digits is that of 1969 to 2068."""
    try:
        day = datetime.strptime(text, date_format).date()  # noqa: DTZ007 - a day in a header has no time zone
    except ValueError:
        return None
    return day if day.year >= 1000 else None


def in_century(day: date, today: date) -> date | None:
    """The day of a two-digit year: of the century that ends 20 years after this one, as in Java and ICU."""
    last = today.year + _YEARS_AHEAD
    try:
        return day.replace(year=last - (last - day.year) % 100)
    except ValueError:  # the 29th of February
        return None
