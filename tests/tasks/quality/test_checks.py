"""Each check passes when it should and fails when it should, and says what it found."""

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.quality import checks
from tasks.quality.checks import Check

MONDAY = date(2024, 1, 8)
TUESDAY = date(2024, 1, 9)


def verdict(check: Check) -> tuple[str, bool, float | None]:
    return check.severity, check.passed, check.value


def outcomes(*found: tuple[str, str]) -> pl.DataFrame:
    rows = [(code, outcome, None if outcome == "fetched" else "so it said") for code, outcome in found]
    return pl.DataFrame(rows, schema=["code", "outcome", "reason"], orient="row")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([("A.US", "fetched"), ("B.US", "empty")], ("warning", True, 0)),
        ([("A.US", "fetched"), ("B.US", "unknown")], ("warning", False, 0.5)),
        ([("A.US", "fetched"), ("B.US", "refused")], ("warning", False, 0.5)),
        ([("A.US", "failed"), ("B.US", "fetched"), ("C.US", "fetched"), ("D.US", "empty")], ("warning", False, 0.25)),
        ([("A.US", "failed"), ("B.US", "unknown")], ("error", False, 1)),
    ],
)
def test_completeness(found, expected):
    assert verdict(checks.completeness(outcomes(*found))) == expected


def test_completeness_names_the_missing_with_their_reasons():
    detail = checks.completeness(outcomes(("B.US", "refused"), ("C.US", "fetched"), ("A.US", "failed"))).detail
    assert detail == "2 missing: 1 failed: so it said (A.US); 1 refused: so it said (B.US)"
    many = checks.completeness(outcomes(*((f"{n:03}.US", "unknown") for n in range(30)))).detail
    assert many.startswith("30 missing: 30 unknown: so it said (000.US, 001.US, ")
    assert many.endswith(" and 20 more)")
    endless = checks.completeness(pl.DataFrame({"code": ["A.US"], "outcome": ["failed"], "reason": ["x" * 5000]}))
    assert endless.detail.endswith(" (A.US)")


def test_completeness_of_no_codes():
    nothing = outcomes(("A.US", "fetched")).clear()
    assert verdict(checks.completeness(nothing)) == ("warning", True, 0)


def sessions(*found: tuple[str, str, date]) -> pl.DataFrame:
    schema = {"code": pl.String, "exchange": pl.String, "date": pl.Date}
    return pl.DataFrame(list(found), schema=schema, orient="row")


def expecting(**days: date | None) -> pl.DataFrame:
    schema = {"exchange": pl.String, "expected": pl.Date}
    return pl.DataFrame({"exchange": list(days), "expected": list(days.values())}, schema=schema)


@pytest.mark.parametrize(
    ("latest", "expected", "verdict_", "detail"),
    [
        ([("A.US", "US", TUESDAY)], {"US": TUESDAY}, ("warning", True, 0), "0 codes without the last session"),
        (
            [("A.US", "US", TUESDAY), ("B.US", "US", MONDAY)],
            {"US": TUESDAY},
            ("warning", True, 0),
            "1 codes without the last session: B.US (last 2024-01-08)",
        ),
        (
            [("A.US", "US", MONDAY)],
            {"US": TUESDAY},
            ("warning", False, 1),
            (
                "last session of US 2024-01-08, expected 2024-01-09; "
                "1 codes without the last session: A.US (last 2024-01-08)"
            ),
        ),
        ([], {"US": TUESDAY}, ("warning", False, None), "no prices of US; 0 codes without the last session"),
        (
            [("A.US", "US", TUESDAY), ("B.LSE", "LSE", MONDAY - timedelta(days=7))],
            {"US": TUESDAY, "LSE": MONDAY},
            ("warning", False, 7),
            (
                "last session of LSE 2024-01-01, expected 2024-01-08; "
                "1 codes without the last session: B.LSE (last 2024-01-01)"
            ),
        ),
        (
            [("A.US", "US", MONDAY), ("B.CC", "CC", TUESDAY)],
            {"US": MONDAY, "CC": TUESDAY},
            ("warning", True, 0),
            "0 codes without the last session",
        ),
        ([], {"US": None}, ("warning", True, 0), "0 codes without the last session"),
    ],
)
def test_freshness(latest, expected, verdict_, detail):
    found = checks.freshness(sessions(*latest), expecting(**expected))
    assert verdict(found) == verdict_
    assert found.detail == detail


def bars(*rows: tuple[str, date, float, float, float, float]) -> pl.DataFrame:
    """Rows of code, date, open, high, low, close; the adjusted close is the close."""
    frame = pl.DataFrame(rows, schema=["code", "date", "open", "high", "low", "close"], orient="row")
    return frame.with_columns(adjusted_close=pl.col("close"))


def test_duplicates():
    row, other = ("A", MONDAY, 1.0, 1.0, 1.0, 1.0), ("A", TUESDAY, 1.0, 1.0, 1.0, 1.0)
    assert checks.count_repeated(bars(row, other, ("B", MONDAY, 1.0, 1.0, 1.0, 1.0))) == 0
    assert checks.count_repeated(bars(row, row, other, row)) == 2
    assert checks.count_repeated(bars(row).clear()) == 0
    assert verdict(checks.duplicates(0)) == ("error", True, 0)
    assert verdict(checks.duplicates(2)) == ("error", False, 2)
    assert checks.duplicates(2).detail == "2 rows too many"


@pytest.mark.parametrize(
    ("ohlc", "disordered"),
    [
        ((10.0, 12.0, 9.0, 11.0), False),
        ((10.0, 10.0, 10.0, 10.0), False),
        ((10.0, 10.5, 9.0, 11.0), True),  # the close is above the high
        ((12.5, 12.0, 9.0, 11.0), True),  # the open is
        ((10.0, 12.0, 10.5, 11.0), True),  # the open is below the low
        ((10.0, 12.0, 9.0, 8.0), True),  # the close is
        ((10.0, 9.0, 12.0, 10.0), True),  # the high is below the low
    ],
)
def test_ohlc_order(ohlc, disordered):
    good = ("A", MONDAY, 1.0, 1.0, 1.0, 1.0)
    found = checks.ohlc_order(checks.find_disordered(bars(good, ("B", TUESDAY, *ohlc))), 2)
    assert verdict(found) == ("warning", not disordered, 0.5 if disordered else 0)
    assert found.detail == ("1 bars: B 2024-01-09" if disordered else "0 bars")


def test_ohlc_order_of_no_bars():
    assert verdict(checks.ohlc_order(bars(("A", MONDAY, 1.0, 1.0, 1.0, 1.0)).clear().select("code", "date"), 0)) == (
        "warning",
        True,
        0,
    )


@pytest.mark.parametrize(
    ("closes", "found"),
    [
        ([10.0, 14.9, 7.5], []),
        ([10.0, 15.1], ["A 2024-01-09 +51%"]),
        ([10.0, 4.9], ["A 2024-01-09 -51%"]),
        ([10.0, 20.0, 5.0], ["A 2024-01-09 +100%", "A 2024-01-10 -75%"]),
        ([10.0], []),
    ],
)
def test_jumps(closes, found):
    rows = [("A", MONDAY + timedelta(days=n), close, close, close, close) for n, close in enumerate(closes)]
    other = [("B", day, 1000.0, 1000.0, 1000.0, 1000.0) for _, day, *_ in rows]
    check = checks.jumps(checks.find_jumps(bars(*reversed(rows), *other)))
    assert verdict(check) == ("warning", not found, len(found))
    assert check.detail == f"{len(found)} jumps" + (": " if found else "") + ", ".join(found)


def counts(*rows: tuple[str, date, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"exchange": pl.String, "date": pl.Date, "rows": pl.UInt32}, orient="row")


BEFORE = [MONDAY - timedelta(days=n) for n in (3, 4, 5)]


def us_before(rows: int) -> list[tuple[str, date, int]]:
    return [("US", day, rows) for day in BEFORE]


@pytest.mark.parametrize(
    ("rows", "closed", "expected", "detail"),
    [
        ([*us_before(100), ("US", MONDAY, 100)], (), (True, 1), "100 rows per session, 100 before"),
        ([*us_before(100), ("US", MONDAY, 50)], (), (True, 0.5), "50 rows per session, 100 before"),
        ([*us_before(100), ("US", MONDAY, 49)], (), (False, 0.49), "49 rows per session, 100 before"),
        (us_before(100), (), (False, 0), "0 rows per session, 100 before"),
        ([("US", MONDAY, 1)], (), (True, None), "no sessions before to compare with"),
        ([], (), (True, None), "no sessions before to compare with"),
        # Closed exchanges are not missed; the others are.
        (us_before(100), ("US",), (True, None), "no sessions before to compare with"),
        (
            [*us_before(100), ("CC", BEFORE[0], 2), ("CC", MONDAY, 2)],
            ("US",),
            (True, 1),
            "2 rows per session, 2 before",
        ),
        (
            [*us_before(98), ("CC", BEFORE[0], 2), ("CC", MONDAY, 2)],
            (),
            (False, 0.02),
            "2 rows per session, 100 before",
        ),
        # One bad session among good ones does not tell.
        (
            [*us_before(100), ("US", MONDAY, 100), ("US", TUESDAY, 3), ("US", TUESDAY + timedelta(days=1), 100)],
            (),
            (True, 1),
            "100 rows per session, 100 before",
        ),
    ],
)
def test_row_count(rows, closed, expected, detail):
    days = {name: None if name in closed else MONDAY for name in ("US", "CC")}
    found = checks.row_count(counts(*rows), expecting(**days), MONDAY)
    assert verdict(found) == ("error", *expected)
    assert found.detail == detail
