"""A landing state, a warehouse and the settings that name both, for the tests of vendor files."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter  # type: ignore[import-untyped]

from tasks.datasets import QUARANTINED_VENDOR_VALUES, VENDOR_MEASURES, VENDOR_VALUES
from tasks.lake import Lake, open_lake
from tests.kills import PATIENCE

Values = Mapping[str, Mapping[date, float | None]]  # by code and date


class Vendors:
    def __init__(self, folder: Path, lake_url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.warehouse = folder / "warehouse.sqlite"
        self.environment = {"ETL_LAKE_URL": lake_url, "ETL_WAREHOUSE_URL": f"sqlite:///{self.warehouse}"}
        self.lake: Lake = open_lake(lake_url)
        self._dropped: dict[str, int] = {}

    def drop(self, path: str, content: bytes | str) -> None:
        """Puts a file into the landing state, in another second than what was dropped under this path before."""
        data = content.encode() if isinstance(content, str) else content
        deadline = time.monotonic() + PATIENCE
        while self._dropped.get(path) == int(time.time()):  # stores know seconds only
            assert time.monotonic() < deadline
            time.sleep(0.01)  # polled, with a deadline
        with self.lake.store.create(f"landing/{path}") as file:
            file.write(data)
        self._dropped[path] = int(time.time())

    def start(self, api: str, log: Path, *options: str) -> "subprocess.Popen[bytes]":
        """The flow in a process of its own."""
        with log.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "flows.vendor_file", *options],
                env={**os.environ, **self.environment, "PREFECT_API_URL": api},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def lapse(self) -> None:
        """As if the lease of all claims had passed, which only those of dead runs do."""
        for entry in list(self.lake.store.entries("landing/_claims/")):
            stored = self.lake.store.read(entry.path)
            assert stored
            claim = json.loads(stored.data) | {"until": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}
            self.lake.store.swap(entry.path, json.dumps(claim).encode(), stored.etag)

    def paths(self) -> list[str]:
        """All files of the landing state but those that keep folders."""
        paths = [e.path.removeprefix("landing/") for e in self.lake.store.entries("landing/")]
        return [p for p in paths if not p.endswith("/.keep") and p != ".keep"]

    def shelved(self, shelf: str) -> dict[str, dict[str, Any]]:
        """By the path of each file that was put on the shelf, the note beside it. None was put there twice."""
        paths = [p for p in self.paths() if p.startswith(f"{shelf}/")]
        files = [p for p in paths if not p.endswith(".json")]
        notes = {p: json.loads(self.content(f"{p}.json")) for p in files}
        assert len(paths) == 2 * len(files)
        dropped = {p: "/".join([*p.split("/")[1:-2], p.split("/")[-1]]) for p in files}
        assert len(set(dropped.values())) == len(dropped), sorted(dropped)
        return {dropped[p]: note for p, note in notes.items()}

    def content(self, path: str) -> bytes:
        return b"".join(self.lake.store.chunks(f"landing/{path}"))

    def values(self, table: str = "vendor_values") -> dict[str, dict[str, dict[date, float]]]:
        """What the SQL table has, by series, code and date; of the measures, the mean."""
        column = "value" if table == "vendor_values" else "trailing_mean"
        found: dict[str, dict[str, dict[date, float]]] = {}
        for series, code, day, value in self.query(f"SELECT series, code, date, {column} FROM {table}"):
            of_code = found.setdefault(series, {}).setdefault(code, {})
            assert date.fromisoformat(day) not in of_code
            of_code[date.fromisoformat(day)] = value
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.warehouse)) as connection:
            return connection.execute(sql).fetchall()

    def quarantined(self) -> pl.DataFrame:
        dataset = QUARANTINED_VENDOR_VALUES
        return self.lake.read(dataset, self.lake.partitions(dataset)).collect().sort("file", "row", "date")

    def stored(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Values, and measures, as they are in the lake."""
        values, measures = (self.lake.read(d, self.lake.partitions(d)) for d in (VENDOR_VALUES, VENDOR_MEASURES))
        key = VENDOR_VALUES.key
        return values.drop("received_at").sort(key).collect(), measures.sort(key).collect()


def days(count: int, first: date = date(2023, 12, 13)) -> list[date]:
    """Weekdays, over the end of a year."""
    every = (first + timedelta(days=n) for n in range(2 * count + 7))
    return [day for day in every if day.weekday() < 5][:count]


def wide_csv(values: Values, header: str = "%d/%m/%Y", separator: str = ",") -> str:
    """Identifier, a description, and a column per date."""
    dates = sorted({day for of_code in values.values() for day in of_code})
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["ISIN", "Name", *(day.strftime(header) for day in dates)])
    for code, of_code in values.items():
        cells = [of_code.get(day) for day in dates]
        writer.writerow([code, f'"{code}" plc', *("" if cell is None else repr(cell) for cell in cells)])
    return text.getvalue()


def wide_xlsx(rows: Sequence[Sequence[object]]) -> bytes:
    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, {"in_memory": True, "default_date_format": "dd/mm/yyyy"})
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        for place, cell in enumerate(row):
            sheet.write(number, place, cell)
    book.close()
    return data.getvalue()


def means(values: Values, n: int) -> dict[str, dict[date, float]]:
    """From the definition: of each date, over the last n dates that the code has a value on."""
    found: dict[str, dict[date, float]] = {}
    for code, of_code in values.items():
        known = [(day, value) for day, value in sorted(of_code.items()) if value is not None]
        for i, (day, _) in enumerate(known):
            last = [value for _, value in known[max(0, i - n + 1) : i + 1]]
            found.setdefault(code, {})[day] = sum(last) / len(last)
    return found


def without_empty(values: Values) -> dict[str, dict[date, float]]:
    full = {code: {d: v for d, v in of_code.items() if v is not None} for code, of_code in values.items()}
    return {code: of_code for code, of_code in full.items() if of_code}
