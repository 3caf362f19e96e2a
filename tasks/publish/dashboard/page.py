"""From frames to the page: one self-contained HTML document."""

import base64
import hashlib
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from tasks.libraries import DASHBOARD, require
from tasks.publish.dashboard import series, tables, text
from tasks.publish.dashboard.biggest_movers import movers_series
from tasks.publish.dashboard.figures import RunFigures
from tasks.publish.dashboard.verdict import judge

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("drawing.js", "prices.js", "quality.js", "page.js")  # parts of one script, in this order


def render(prices: pl.DataFrame, measures: pl.DataFrame, quality: pl.DataFrame, figures: RunFigures) -> str:
    """The page, about 1 MB and 50 kB more for each code with ten years of prices.

    `prices`, `measures` and `quality` have the columns of the datasets `prices` (`fetched_at` is not needed),
    `price_measures` and `data_quality`; each may be empty. All codes of `prices` and `measures` are shown: see
    `select`. The checks of the run's own window make the verdict, those of all windows the trend.

    Raises ConfigurationError where the extra `dashboard` is not installed.
    """
    specs, bundle = _drawings()
    drawn = series.price_series(prices, measures)
    trend = series.quality_trend(quality)
    checks = quality.filter(window_first=figures.window.first, window_last=figures.window.last)
    script = "\n".join(_asset(name) for name in _SCRIPTS)
    return _template().render(
        figures=figures,
        generated=figures.generated_at.astimezone(UTC),
        verdict=judge(checks, figures),
        checks=tables.checks_of_window(checks),
        rows=tables.latest_measures(measures),
        decimals=tables.price_decimals(measures),
        week=measures["week"].max(),
        picks={one["code"]: index for index, one in enumerate(drawn)},
        data={"series": drawn, "movers": movers_series(measures), "trend": trend},
        specs=specs,
        styles=_asset("page.css"),
        scripts=[bundle, script],
        policy=_policy(bundle, script),
    )


def _drawings() -> tuple[dict[str, Any], str]:
    require(DASHBOARD, "The dashboard page")
    from tasks.publish.dashboard import charts  # noqa: PLC0415 - the image of Batch tasks lacks what it imports

    return charts.specs(), charts.bundle()


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters |= {
        "number": text.number,
        "percent": text.percent,
        "change": text.change,
        "day": text.day,
        "moment": text.moment,
    }
    environment.globals |= {"span": text.span}
    return environment.get_template("page.html")


def _policy(*scripts: str) -> str:
    """A content security policy: no request to anywhere, and no script but these."""
    hashes = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    styles = "style-src 'unsafe-inline'; img-src data:"
    return f"default-src 'none'; script-src {allowed}; {styles}; base-uri 'none'; form-action 'none'"
