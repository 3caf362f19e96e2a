"""The dashboard in Chromium: drawn, quiet, without a network, at every width, and under a reader's hands."""

# ruff: noqa: RUF001 - the page has dashes and apostrophes

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.publish.dashboard import render
from tests.servers.chromium import Browser, Tab
from tests.tasks.publish.dashboard.market import FIGURES, measures_of, prices_of, quality_of

CODES = ("ALPHA", "BRAVO", "CEDAR", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL", "INDIGO")
HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "__proto__", "X" * 40, "datum.price")
DRAWN = "document.documentElement.dataset.drawn !== undefined"

Look = Callable[..., Any]


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Look:
    """Opens a page and waits until it is drawn; in the end it may have asked for nothing and complained of nothing."""

    @contextmanager
    def opened(text: str, width: int = 1280, *, dark: bool = False) -> Iterator[Tab]:
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        with browser.open(path, width, dark=dark) as tab:
            tab.until(DRAWN)
            yield tab
            assert tab.evaluate("1") == 1  # events up to here have been heard
            assert tab.complaints == []
            assert [url for url in tab.requests if not url.startswith("data:")] == [path.as_uri()]

    return opened


@cache
def page(codes: tuple[str, ...] = CODES, sessions: int = 400, windows: int = 8) -> str:
    prices = prices_of(codes, sessions)
    return render(prices, measures_of(prices), quality_of(windows, ["jumps", "completeness"]), FIGURES)


def texts(tab: Tab, selector: str) -> list[str]:
    found: list[str] = tab.evaluate(f"[...document.querySelectorAll({selector!r})].map((e) => e.textContent.trim())")
    return found


def test_the_browser_would_notice_a_request_and_a_complaint(browser, tmp_path):
    (tmp_path / "bad.html").write_text("<img src=http://example.invalid/x.png><script>nothing.there()</script>")
    with browser.open(tmp_path / "bad.html") as tab:
        tab.until("document.images[0].complete")
        assert "http://example.invalid/x.png" in tab.requests
        assert any("nothing is not defined" in complaint for complaint in tab.complaints)
        assert any("ERR_NAME_NOT_RESOLVED" in complaint for complaint in tab.complaints)


def test_every_chart_is_drawn(look):
    with look(page()) as tab:
        assert tab.evaluate("document.querySelectorAll('.chart').length") == 7  # ohlc_order has no value to draw
        assert tab.evaluate("[...document.querySelectorAll('.chart')].every((e) => e.querySelector('svg'))")
        for lines in ("#price", "[data-check]"):
            assert tab.evaluate(f"document.querySelector('{lines} .mark-line path').getTotalLength()") > 100
        bars = tab.evaluate("document.querySelectorAll('#rising .mark-rect path, #falling .mark-rect path').length")
        assert bars == len(CODES)
        assert len(texts(tab, ".measures tbody tr")) == len(CODES)
        assert texts(tab, ".checks tbody td:first-child") == ["Failed", "Failed", "Passed"]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_makes_the_page_scroll_sideways(look, width):
    with look(page(), width) as tab:
        assert tab.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
        assert tab.evaluate("document.querySelector('#price svg').clientWidth") <= width


@pytest.mark.parametrize("dark", [False, True])
def test_colours_follow_the_scheme_and_can_be_read(look, dark):
    with look(page(), dark=dark) as tab:
        paper = _luminance(tab, "--paper")
        assert (paper < 0.1) is dark
        for ink in ("--ink", "--soft", "--line", "--accent", "--up", "--down", "--warn"):
            light, deep = sorted((paper, _luminance(tab, ink)), reverse=True)
            assert (light + 0.05) / (deep + 0.05) >= 4.5, ink  # WCAG 2.2, 1.4.3
        line = tab.evaluate("getComputedStyle(document.querySelector('#price .mark-line path')).stroke")
        assert line == tab.evaluate(f"({_RESOLVED})('--line')")


def test_a_code_is_found_and_chosen(look):
    with look(page()) as tab:
        before = tab.evaluate("document.querySelector('#price .mark-line path').getAttribute('d')")
        tab.click("#filter")
        tab.write("golf")
        assert texts(tab, ".rail label:not([hidden]) .code") == ["GOLF"]
        tab.click(".rail label:not([hidden])")
        tab.until("document.querySelector('#chosen').textContent === 'GOLF'")
        tab.until(f"document.querySelector('#price .mark-line path').getAttribute('d') !== {before!r}")


@pytest.mark.parametrize("place", ["#falling .mark-rect path", "[data-pick='4']"])
def test_a_mover_and_a_row_lead_to_the_code(look, place):
    with look(page()) as tab:
        before = texts(tab, "#chosen")
        tab.click(place)
        tab.until(f"document.querySelector('#chosen').textContent !== {before[0]!r}")
        assert texts(tab, "#chosen") == texts(tab, ".rail label:has(:checked) .code")


def test_a_range_is_chosen_by_button_and_by_brush(look):
    with look(page()) as tab:
        assert texts(tab, "#span") == ["14 Mar 2024 – 14 Mar 2025"]
        assert texts(tab, ".ranges label:has(:checked)") == ["1 year"]
        tab.click("label:has([name=range][value='3'])")
        tab.until("document.querySelector('#span').textContent === '16 Dec 2024 – 14 Mar 2025'")
        assert texts(tab, ".ranges label:has(:checked)") == ["3 months"]
        tab.drag("#strip svg", 0.3, 0.6)
        tab.until("document.querySelectorAll('[name=range]:checked').length === 0")
        tab.until("!document.querySelector('#span').textContent.endsWith('Mar 2025')")
        # The next code is shown in the same range.
        brushed = texts(tab, "#span")
        tab.click(".rail label:first-of-type")
        tab.until(f"document.querySelector('#chosen').textContent === {CODES[0]!r}")
        tab.until(f"document.querySelector('#span').textContent === {brushed[0]!r}")


@pytest.mark.parametrize(("sessions", "weeks"), [(400, "10"), (1, "1")])
def test_the_pointer_tells_session_close_and_average(look, sessions, weeks):
    prices = prices_of(["ALPHA"], sessions)
    with look(page(("ALPHA",), sessions)) as tab:
        tab.hover("#price")
        tab.until("!document.querySelector('#tip').hidden")
        day, *said = texts(tab, "#tip dd")
        row = prices.filter(pl.col("date").dt.strftime("%-d %b %Y") == day)
        known = measures_of(prices).filter(pl.col("session") <= row["date"].item())
        values = (row["adjusted_close"].item(), known["average_10w"].to_list()[-1])
        assert said == [*(f"{value:.2f}" for value in values), weeks]


def test_the_table_sorts_by_any_column_with_what_is_missing_last(look):
    prices = pl.concat([prices_of(CODES[:3]), prices_of(["AAA"], 3)])
    text = render(prices, measures_of(prices), quality_of(1), FIGURES)
    with look(text) as tab:
        heads = texts(tab, ".measures thead th")
        column = heads.index("Week’s return") + 1
        returns = measures_of(prices).group_by("code").agg(pl.col("return_1w").last()).drop_nulls().sort("return_1w")
        for order in (returns.reverse(), returns):
            tab.click(f".measures thead th:nth-child({column}) button")
            shown = [code.split("\n")[0].split(" ")[0] for code in texts(tab, ".measures tbody th")]
            assert shown == [*order["code"], "AAA"]
        assert tab.evaluate(f"document.querySelectorAll('.measures th')[{column - 1}].ariaSort") == "ascending"


def test_hostile_names_are_only_names(look):
    with look(page(HOSTILE)) as tab:
        assert sorted(texts(tab, ".rail .code")) == sorted(HOSTILE)
        assert tab.evaluate("document.images.length") == 0
        for bar in range(len(HOSTILE)):
            side = f"[...document.querySelectorAll('#movers .mark-rect path')][{bar}]"
            tab.evaluate(f"{side}.setAttribute('id', 'bar{bar}')")
            tab.hover(f"#bar{bar}")
            tab.until("document.querySelector('#vg-tooltip-element.visible')")
            assert texts(tab, "#vg-tooltip-element td.value")[0] in HOSTILE
        assert tab.evaluate("document.querySelectorAll('#vg-tooltip-element img').length") == 0


@pytest.mark.parametrize(
    ("codes", "sessions", "measured", "windows"),
    [
        ((), 0, True, 0),
        ((), 0, True, 1),
        (("ALPHA",), 1, True, 1),
        (("ALPHA",), 5, True, 2),
        (("ALPHA", "BRAVO"), 30, False, 0),
    ],
    ids=["nothing", "checks alone", "one session", "one week", "no measures"],
)
@pytest.mark.parametrize("width", [390, 1280])
def test_little_or_no_data_still_makes_a_page(look, codes, sessions, measured, windows, width):
    prices = prices_of(codes, sessions)
    measures = measures_of(prices)
    text = render(prices, measures if measured else measures.clear(), quality_of(windows), FIGURES)
    with look(text, width) as tab:
        assert tab.evaluate("document.querySelectorAll('main h2').length") == 4
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        for name in ("undefined", "NaN", "None", "null", "Infinity"):
            assert name not in tab.evaluate("document.body.innerText")
        assert tab.evaluate("document.querySelectorAll('#price .mark-symbol path').length >= 1") is bool(
            0 < sessions < 16
        )


_RESOLVED = """(name) => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
}"""


def _luminance(tab: Tab, name: str) -> float:
    """Relative luminance of a custom property's colour, 0 to 1: WCAG 2.2."""
    parts = tab.evaluate(f"({_RESOLVED})({name!r})").removeprefix("rgb(").removesuffix(")").split(",")
    shares = [int(part) / 255 for part in parts]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
