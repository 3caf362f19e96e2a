"""The drawings of the page as Vega-Lite specifications, and the JavaScript that draws them.

They hold no data: the page's script fills the named sources. Colours are the custom properties of `page.css`, which
the SVG renderer passes on, so that light and dark need no second drawing.

Imports the optional dependencies altair and vl-convert: import this module where a page is made, not before.
"""

from functools import cache
from typing import Any

import altair as alt
import vl_convert

Spec = dict[str, Any]

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
PADDING = {"left": 0, "right": 0, "top": 8, "bottom": 4}
GUTTER = 46  # pixels for the prices on an axis
DATES = {  # of an axis of time, by the unit that a tick begins
    "year": "%Y",
    "quarter": "%b",
    "month": "%b",
    "week": "%-d %b",
    "date": "%-d %b",
    "day": "%-d %b",
    "hours": "",  # prices are of days
}
# 0.995 and 12.5k: SI prefixes alone would make 995m of the first.
SHORT = "abs(datum.value) < 1e4 ? format(datum.value, ',~r') : format(datum.value, '~s')"
# A diagonal cross, for what failed: a path in a square from -1 to 1.
CROSS = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
_LINE = "var(--line)"
_ACCENT = "var(--accent)"
_SOFT = "var(--soft)"


def specs() -> dict[str, Spec]:
    """Name of a drawing to its specification."""
    drawings = {
        "price": _price(),
        "strip": _strip(),
        "rising": _movers("var(--up)"),
        "falling": _movers("var(--down)"),
        "failures": _failures(),
        "value": _value(),
    }
    return {name: _finished(drawing) for name, drawing in drawings.items()}


@cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script of about 0.9 MB, which sets `window.vegaEmbed`."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script


def _price() -> alt.LayerChart:
    """Daily closes and weekly averages. `daily`: t (ms, UTC), price, lone, and texts; `weekly`: t, average, lone."""
    # The script sets the scales' ends: with data as their source, Vega warns when no row is lone.
    ends = {name: [alt.ExprRef(f"{name}[0]"), alt.ExprRef(f"{name}[1]")] for name in ("times", "levels")}
    times = alt.Scale(type="utc", domain=ends["times"])
    levels = alt.Scale(zero=False, nice=True, domain=ends["levels"])
    x = alt.X("t:T", title=None, scale=times, axis=alt.Axis(grid=False, format=DATES))
    hover = alt.selection_point(
        "hover", nearest=True, on="pointermove", clear="pointerout", encodings=["x"], empty=False
    )
    daily = alt.Chart(alt.NamedData(name="daily")).encode(x=x)
    weekly = alt.Chart(alt.NamedData(name="weekly")).encode(x=x)
    price = alt.Y("price:Q", title=None, scale=levels, axis=alt.Axis(tickCount=5, format=",~r", minExtent=GUTTER))
    average = alt.Y("average:Q", title=None, scale=levels)
    shown = alt.condition(hover, alt.value(1), alt.value(0))
    texts = [
        alt.Tooltip("day:N", title="Session"),
        alt.Tooltip("close:N", title="Adjusted close"),
        alt.Tooltip("mean:N", title="Ten-week average"),
        alt.Tooltip("weeks:N", title="Weeks in it"),
    ]
    drawing = alt.layer(
        daily.mark_line(stroke=_LINE, strokeWidth=1.25, strokeJoin="round", clip=True).encode(y=price),
        daily.mark_point(fill=_LINE, stroke=_LINE, size=24).encode(y=price).transform_filter("datum.lone"),
        weekly.mark_line(stroke=_ACCENT, strokeWidth=2, strokeJoin="round", clip=True).encode(y=average),
        weekly.mark_point(fill=_ACCENT, stroke=_ACCENT, size=24)
        .encode(y=average)
        .transform_filter("datum.lone"),
        daily.mark_rule(stroke=_SOFT, strokeWidth=1).encode(opacity=shown, tooltip=texts).add_params(hover),
        daily.mark_point(fill="var(--paper)", stroke=_LINE, strokeWidth=2, size=50).encode(
            y=price, opacity=shown, tooltip=texts
        ),
    ).properties(height=340, description="Daily adjusted close and its trailing ten-week average")
    return drawing.add_params(*(alt.param(name=name, value=[0, 1]) for name in ends))


def _strip() -> alt.Chart:
    """The whole history, small, with a brush that says which part of it the price chart shows. `daily`: as there."""
    brush = alt.selection_interval(
        "brush",
        encodings=["x"],
        mark=alt.BrushConfig(fill=_ACCENT, fillOpacity=0.14, stroke=_ACCENT, strokeOpacity=0.7),
    )
    return (
        alt.Chart(alt.NamedData(name="daily"))
        .mark_area(line={"stroke": _SOFT, "strokeWidth": 1}, fill=_SOFT, fillOpacity=0.12)
        .encode(
            x=alt.X("t:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(grid=False, format=DATES, tickCount=6)),
            # An axis without anything on it, as wide as that of the price chart.
            y=alt.Y(
                "price:Q",
                title=None,
                scale=alt.Scale(zero=False),
                axis=alt.Axis(labels=False, grid=False, minExtent=GUTTER),
            ),
        )
        .add_params(brush)
        .properties(height=44, description="The whole history: drag to choose a range of dates")
    )


def _movers(colour: str) -> alt.LayerChart:
    """One bar per code. `movers`: code, size (the move without its sign), text; `limit`: the longest of both.

    The script sets its height, 26 pixels a bar: with a step for its height, Vega-Lite warns.
    """
    chart = alt.Chart(alt.NamedData(name="movers")).encode(
        y=alt.Y(
            "code:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelColor="var(--ink)", labelFontSize=13, labelAlign="left", labelPadding=93, labelLimit=80),
        ),
        x=alt.X("size:Q", title=None, axis=None, scale=alt.Scale(domain=[0, alt.ExprRef("limit * 1.28")])),
        tooltip=[alt.Tooltip("code:N", title="Code"), alt.Tooltip("text:N", title="Week's return")],
    )
    return alt.layer(
        chart.mark_bar(fill=colour, fillOpacity=0.8, height=12, cornerRadiusEnd=2, cursor="pointer"),
        chart.mark_text(align="left", dx=6, fill="var(--ink)", fontSize=13).encode(text="text:N"),
    ).properties(description="Weekly return by code").add_params(alt.param(name="limit", value=1))


def _failures() -> alt.LayerChart:
    """Failed checks of each window. `failures`: window, severity, failed, and texts; `clean`: window, checks."""
    x = _windows("true")
    y = alt.Scale(domain=[0, alt.ExprRef("max(1, most)")])
    severity = {"domain": ["error", "warning"]}
    bars = (
        alt.Chart(alt.NamedData(name="failures"))
        .mark_bar(size=alt.ExprRef("min(22, bandwidth('x') * 0.72)"), strokeWidth=1.5)
        .encode(
            x=x,
            y=alt.Y("failed:Q", title=None, scale=y, axis=alt.Axis(format="d", tickCount=alt.ExprRef("min(4, max(1, most))"))),
            # Solid against hollow: the two kinds can be told apart without their colours.
            fill=alt.Fill("severity:N", legend=None, scale=alt.Scale(**severity, range=["var(--down)", "var(--paper)"])),
            stroke=alt.Stroke("severity:N", legend=None, scale=alt.Scale(**severity, range=["var(--down)", "var(--warn)"])),
            order=alt.Order("severity:O"),
            tooltip=[
                alt.Tooltip("span:N", title="Window"),
                alt.Tooltip("severity:N", title="Severity"),
                alt.Tooltip("failed:Q", title="Failed"),
                alt.Tooltip("checks:Q", title="Of checks"),
            ],
        )
    )
    dots = (
        alt.Chart(alt.NamedData(name="clean"))
        .mark_point(shape="circle", size=28, fill="var(--up)", stroke="var(--up)", opacity=1, yOffset=-5)
        .encode(
            x=x,
            y=alt.datum(0, scale=y),
            tooltip=[alt.Tooltip("span:N", title="Window"), alt.Tooltip("checks:Q", title="Checks, all passed")],
        )
    )
    drawing = alt.layer(bars, dots).properties(height=150, description="Failed checks by window")
    return drawing.add_params(alt.param(name="most", value=1), alt.param(name="windows", value=[]))


def _value() -> alt.LayerChart:
    """One check's value and threshold by window. `check`: window, value, threshold, passed, and texts."""
    chart = alt.Chart(alt.NamedData(name="check")).encode(
        x=_windows("!(datum.index > 0 && datum.index < 1)")  # narrow: the first label and the last
    )
    levels = alt.Scale(zero=False, domain=[alt.ExprRef("levels[0]"), alt.ExprRef("levels[1]")])
    value = alt.Y("value:Q", title=None, scale=levels, axis=alt.Axis(tickCount=3, labelExpr=SHORT, minExtent=40))
    texts = [
        alt.Tooltip("span:N", title="Window"),
        alt.Tooltip("reading:N", title="Value"),
        alt.Tooltip("bound:N", title="Threshold"),
        alt.Tooltip("result:N", title="Result"),
    ]
    drawing = alt.layer(
        chart.mark_line(stroke=_SOFT, strokeDash=[3, 3], strokeWidth=1, interpolate="step").encode(
            y=alt.Y("threshold:Q", scale=levels)
        ),
        chart.mark_line(stroke=_LINE, strokeWidth=1.25).encode(y=value),
        chart.mark_point(stroke="none", opacity=1).encode(
            y=value,
            tooltip=texts,
            shape=alt.condition("datum.passed", alt.value("circle"), alt.value(CROSS)),
            size=alt.condition("datum.passed", alt.value(14), alt.value(110)),
            fill=alt.condition("datum.passed", alt.value(_LINE), alt.value("var(--down)")),
        ),
    ).properties(height=96, description="Value of the check by window")
    return drawing.add_params(alt.param(name="levels", value=[0, 1]), alt.param(name="windows", value=[]))


def _windows(wanted: str) -> alt.X:
    """The axis that all drawings of windows share: each has its place, in order, also where it has no value.

    A window's name is its two dates, as 2024-01-01_2024-01-31. Its label is the last one, where `wanted` is true.
    """
    label = f"{wanted} ? utcFormat(toDate(slice(datum.value, 11)), '%-d %b %Y') : ''"
    # The outer labels stay within the drawing.
    side = alt.ExprRef("datum.index === 0 ? 'left' : datum.index === 1 ? 'right' : 'center'")
    axis = alt.Axis(
        grid=False, labelAngle=0, labelAlign=side, labelOverlap=True, labelSeparation=16, labelExpr=label
    )
    places = alt.Scale(domain=alt.ExprRef("windows"))
    return alt.X("window:N", sort=None, title=None, axis=axis, scale=places)


def _finished(drawing: alt.Chart | alt.LayerChart) -> Spec:
    text = {"labelColor": _SOFT, "labelFontSize": 12, "titleColor": _SOFT}
    lines = {"domainColor": "var(--rule)", "gridColor": "var(--rule)", "tickColor": "var(--rule)"}
    spec: Spec = (
        drawing.properties(width="container", background="transparent", padding=PADDING, autosize={"type": "fit-x", "contains": "padding"})
        .configure(font=FONT)
        .configure_axis(**text, **lines, ticks=False, labelPadding=6)
        .configure_axisY(domain=False)
        .configure_view(stroke=None)
        .to_dict()
    )
    del spec["$schema"]  # an address, where the page shall have none
    return spec
