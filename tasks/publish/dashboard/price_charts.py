"""The drawings of prices: closes and their average, the strip below them, the biggest movers."""

import altair as alt

from tasks.publish.dashboard.chart_theme import ACCENT, DATES, LINE, PAPER, SOFT, TEXT, Drawing

GUTTER = 46  # pixels for the prices on an axis


def price() -> Drawing:
    """Daily closes and weekly averages.

    `daily`: t (ms, UTC), price, lone (few enough to be drawn as points too); `weekly`: t, average, lone; `at`: the
    row of `daily` under the pointer, with its average, or none. `times` and `levels` are the ends of the scales.
    """
    ends = {name: [alt.ExprRef(f"{name}[0]"), alt.ExprRef(f"{name}[1]")] for name in ("times", "levels")}
    times = alt.Scale(type="utc", domain=ends["times"])
    levels = alt.Scale(zero=False, nice=True, domain=ends["levels"])
    x = alt.X("t:T", title=None, scale=times, axis=alt.Axis(grid=False, format=DATES))
    price = alt.Y("price:Q", title=None, scale=levels, axis=alt.Axis(tickCount=5, format=",~r", minExtent=GUTTER))
    average = alt.Y("average:Q", title=None, scale=levels)
    daily, weekly, at = (alt.Chart(alt.NamedData(name=name)).encode(x=x) for name in ("daily", "weekly", "at"))
    drawing = alt.layer(
        daily.mark_line(stroke=LINE, strokeWidth=1.25, strokeJoin="round", clip=True).encode(y=price),
        weekly.mark_line(stroke=ACCENT, strokeWidth=2, strokeJoin="round", clip=True).encode(y=average),
        daily.mark_point(fill=LINE, stroke="none", size=24).encode(y=price).transform_filter("datum.lone"),
        weekly.mark_point(fill=ACCENT, stroke="none", size=24).encode(y=average).transform_filter("datum.lone"),
        at.mark_rule(stroke=SOFT),
        at.mark_point(fill=ACCENT, stroke=PAPER, size=70, opacity=1).encode(y=average),
        at.mark_point(fill=LINE, stroke=PAPER, size=70, opacity=1).encode(y=price),
    ).properties(height=340, description="Daily adjusted close and its trailing ten-week average")
    return drawing.add_params(*(alt.param(name=name, value=[0, 1]) for name in ends))


def strip() -> Drawing:
    """The whole history, small, with a brush that says which part of it the price chart shows. `daily`: as there."""
    brush = alt.selection_interval(
        "brush",
        encodings=["x"],
        mark=alt.BrushConfig(fill=ACCENT, fillOpacity=0.14, stroke=ACCENT, strokeOpacity=0.7),
    )
    # An axis without anything on it, as wide as that of the price chart.
    margin = alt.Axis(labels=False, grid=False, minExtent=GUTTER)
    dates = alt.Axis(grid=False, format=DATES, tickCount=6)
    drawing: alt.Chart = (
        alt.Chart(alt.NamedData(name="daily"))
        .mark_area(line={"stroke": SOFT, "strokeWidth": 1}, fill=SOFT, fillOpacity=0.12)
        .encode(
            x=alt.X("t:T", title=None, scale=alt.Scale(type="utc"), axis=dates),
            y=alt.Y("price:Q", title=None, scale=alt.Scale(zero=False), axis=margin),
        )
        .properties(height=44, description="The whole history: drag to choose a range of dates")
    )
    return drawing.add_params(brush)


def movers(colour: str) -> Drawing:
    """One bar per code. `movers`: rank, code, size (the move without its sign), text.

    `codes` are the codes by rank: a code itself may not be a value of a scale, for Vega stumbles over `__proto__`.
    `limit` is the longest bar of both drawings. The script sets the height, 26 pixels a bar: with a step for its
    height, Vega-Lite warns.
    """
    labels = alt.Axis(
        labelExpr="codes[datum.value]",
        labelColor=TEXT,
        labelFontSize=13,
        labelAlign="left",
        labelPadding=93,
        labelLimit=80,
    )
    chart = alt.Chart(alt.NamedData(name="movers")).encode(
        y=alt.Y("rank:O", title=None, axis=labels),
        x=alt.X("size:Q", title=None, axis=None, scale=alt.Scale(domain=[0, alt.ExprRef("limit * 1.28")])),
        tooltip=[alt.Tooltip("code:N", title="Code"), alt.Tooltip("text:N", title="Week's return")],
    )
    drawing = alt.layer(
        chart.mark_bar(fill=colour, fillOpacity=0.8, height=12, cornerRadiusEnd=2, cursor="pointer"),
        chart.mark_text(align="left", dx=6, fill=TEXT, fontSize=13).encode(text="text:N"),
    ).properties(description="Weekly return by code")
    return drawing.add_params(alt.param(name="limit", value=1), alt.param(name="codes", value=[]))
