"""The dashboard as text: what is chosen, what is said, and that data stays data. Chromium's view: test_page.py."""

# ruff: noqa: RUF001 - the page has minus signs and dashes

import base64
import hashlib
import re
import sys
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import polars as pl
import pytest

from tasks.datasets import DATA_QUALITY
from tasks.errors import ConfigurationError
from tasks.publish.dashboard import RunFigures, choose_codes, render
from tasks.publish.dashboard.text import change, figure, number, span
from tasks.publish.dashboard.verdict import judge
from tests.tasks.publish.dashboard.market import FIGURES, LAST, WINDOW, measures_of, prices_of, quality_of

HOSTILE = "</script><script>alert(1)</script>"


class Tags(HTMLParser):
    """What a page consists of: the names of its elements, the values of its attributes by name, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: dict[str, list[str]] = defaultdict(list)
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            self.attributes[name].append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def week_of(returns: dict[str, float | None], week: str = "2025-03-10") -> pl.DataFrame:
    return pl.DataFrame(
        {"code": list(returns), "week": [week] * len(returns), "return_1w": list(returns.values())},
        schema={"code": pl.String, "week": pl.String, "return_1w": pl.Float64},
    ).with_columns(pl.col("week").str.to_date())


def page(codes: tuple[str, ...] = ("AAA", "BBB"), figures: RunFigures = FIGURES, windows: int = 3) -> str:
    prices = prices_of(codes, 60)
    return render(prices, measures_of(prices), quality_of(windows), figures)


class TestChooseCodes:
    def test_takes_the_biggest_moves_both_ways_then_the_first_by_name_each_once(self):
        measures = week_of({"A": 0.0, "B": 0.01, "C": -0.2, "D": 0.3, "E": -0.1, "F": 0.2})
        assert choose_codes(measures, movers=2, first=3) == ["D", "F", "C", "E", "A", "B"]

    def test_a_code_without_a_row_or_a_return_in_the_last_week_is_no_mover(self):
        measures = pl.concat(
            [week_of({"GONE": 9.0}, "2020-01-06"), week_of({"NEW": None, "UP": 0.1, "NAN": float("nan")})]
        )
        assert choose_codes(measures, movers=5, first=0) == ["UP"]
        assert choose_codes(measures, movers=0, first=5) == ["GONE", "NAN", "NEW", "UP"]

    def test_equal_moves_are_in_the_order_of_their_codes(self):
        assert choose_codes(week_of({"B": 0.1, "A": 0.1, "C": 0.1}), movers=2, first=0) == ["A", "B"]

    def test_a_market_of_50_000_codes_makes_a_page_of_dozens(self):
        market = week_of({f"C{n:05}": ((n * 7919 + 12_345) % 50_000 - 25_000) / 1e6 for n in range(50_000)})
        chosen = choose_codes(market)
        assert len(chosen) == 30
        assert chosen[20:] == [f"C{n:05}" for n in range(10)]

    @pytest.mark.parametrize("kind", [pl.Categorical, pl.String])
    def test_reads_a_lazy_scan_and_dictionary_encoded_codes(self, kind, tmp_path):
        week_of({"A": 0.1, "B": -0.1}).cast({"code": kind}).write_parquet(tmp_path / "measures.parquet")
        assert choose_codes(pl.scan_parquet(tmp_path / "measures.parquet")) == ["A", "B"]

    def test_nothing_of_nothing(self):
        assert choose_codes(week_of({})) == []


class TestVerdict:
    @pytest.mark.parametrize(
        ("checks", "unexplained", "state", "headline"),
        [
            (quality_of(1), 0, "passed", "All 3 checks passed"),
            (quality_of(1, ["jumps"]), 0, "warned", "1 of 3 checks failed: 1 warning"),
            (
                quality_of(1, ["jumps", "completeness", "ohlc_order"]),
                0,
                "failed",
                "3 of 3 checks failed: 2 errors, 1 warning",
            ),
            (quality_of(1), 5, "failed", "All 3 checks passed"),
            (quality_of(0), 0, "unchecked", "No checks are recorded for this window"),
        ],
    )
    def test_says_what_the_checks_and_the_row_equation_say(self, checks, unexplained, state, headline):
        verdict = judge(checks, replace(FIGURES, rows_received=FIGURES.rows_received + unexplained))
        assert (verdict.state, verdict.headline) == (state, headline)

    def test_names_lost_rows_missing_codes_and_failed_checks(self):
        figures = replace(FIGURES, rows_published=12313, codes_unknown=14, codes_failed=2)
        assert judge(quality_of(1, ["jumps"], "7 closes moved"), figures).facts == (
            "The row equation does not hold: 5 rows lost.",
            "16 of 2,000 codes could not be fetched: 14 unknown, 2 failed.",
            "jumps of prices: 7 closes moved",
        )

    def test_only_the_checks_of_the_run_own_window_count(self):
        prices = prices_of(["AAA"], 60)
        late = quality_of(2, ["jumps"]).filter(pl.col("window_last") < LAST)
        assert "No checks are recorded for this window" in render(prices, measures_of(prices), late, FIGURES)


class TestRender:
    def test_shows_the_row_equation_and_whether_it_holds(self):
        assert "<i>=</i>" in page()
        assert "<i>≠</i>" in page(figures=replace(FIGURES, rows_duplicates=79))

    def test_text_from_data_never_becomes_markup(self):
        codes = (HOSTILE, "<img src=x onerror=alert(2)>", '\'" onclick=alert(3) x="', "<!--<script>")
        prices = prices_of(codes, 60)
        checks = quality_of(3, ["jumps"], HOSTILE).with_columns(
            pl.col("check") + "<b>", dataset=pl.lit("</style>"), severity=pl.lit("</td>")
        )
        hostile = Tags(render(prices, measures_of(prices), checks, replace(FIGURES, run=HOSTILE)))
        assert {"img", "b"}.isdisjoint(hostile.names)
        assert [hostile.names.count(name) for name in ("script", "style")] == [4, 1]
        assert not [name for name in hostile.attributes if name.startswith("on")]
        assert hostile.text.count("alert(1)") >= 4

    def test_is_one_document_that_may_ask_for_nothing(self):
        tags = Tags(page())
        addresses = tags.attributes["href"] + tags.attributes["src"]
        assert [one for one in addresses if not one.startswith(("#", "data:"))] == []
        policy = next(one for one in tags.attributes["content"] if "default-src" in one)
        assert "default-src 'none'" in policy
        assert "unsafe-eval" not in policy
        scripts = re.findall(r'<script type="module">(.*?)</script>', page(), re.DOTALL)
        assert len(scripts) == 2
        for script in scripts:
            assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy

    def test_the_same_frames_make_the_same_page(self):
        assert page() == page()

    def test_the_order_and_type_of_rows_do_not_matter(self):
        prices = prices_of(["AAA", "BBB"], 60)
        measures = measures_of(prices)
        shuffled = [frame.sample(fraction=1, shuffle=True, seed=1) for frame in (prices, measures, quality_of(3))]
        prices, measures = (frame.cast({"code": pl.Categorical}) for frame in shuffled[:2])
        assert render(prices, measures, shuffled[2], FIGURES) == page()

    def test_thirty_codes_of_ten_years_are_less_than_five_megabytes(self):
        prices = prices_of([f"CODE{n}" for n in range(30)], 2610)
        text = render(prices, measures_of(prices), quality_of(60), FIGURES)
        assert len(text.encode()) < 5_000_000

    def test_history_is_cut_at_ten_years_and_the_trend_at_sixty_windows(self):
        prices = prices_of(["AAA"], 3000)
        text = render(prices, measures_of(prices), quality_of(70), FIGURES)
        days = re.search(r'"days":\[(\d+)', text)
        assert days is not None
        assert int(days[1]) == (datetime(2015, 3, 16) - datetime(1970, 1, 1)).days  # noqa: DTZ001
        assert text.count('"window":"') == 60 + 60 * 3

    def test_a_value_that_is_not_finite_is_no_value(self):
        quality = quality_of(2).with_columns(value=pl.lit(float("inf")), threshold=pl.lit(float("nan")))
        prices = prices_of(["AAA"], 60)
        text = render(prices, measures_of(prices), quality.cast(DATA_QUALITY.polars_schema), FIGURES)
        assert '"value":null,"threshold":null' in text

    def test_says_what_to_install_where_the_drawing_packages_are_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "vl_convert", None)
        with pytest.raises(ConfigurationError, match=r"pip install 'prefect-on-azure-batch\[dashboard\]'"):
            page()


def test_a_page_is_dated_by_a_moment_with_a_time_zone():
    with pytest.raises(ConfigurationError, match=r"no time zone\. Give a moment with one"):
        RunFigures(run="calm-falcon", window=WINDOW, generated_at=datetime(2025, 3, 15))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (number(-1234.5), "−1,234.50"),
        (number(None), "–"),
        (change(0.0123), "+1.23%"),
        (change(-0.0123), "−1.23%"),
        (change(-0.000001), "0.00%"),
        (change(None), "–"),
        (figure(12318.0), "12,318"),
        (figure(0.98765), "0.9877"),
        (figure(100.0), "100"),
        (span(LAST, LAST), "14 Mar 2025"),
        (span(LAST.replace(day=3), LAST), "3 – 14 Mar 2025"),
        (span(LAST.replace(month=2), LAST), "14 Feb – 14 Mar 2025"),
        (span(LAST.replace(year=2024), LAST), "14 Mar 2024 – 14 Mar 2025"),
    ],
)
def test_numbers_and_dates_read_well(said, text):
    assert said == text
