"""The drawings of data quality by window: how many checks failed, and the value of each."""

import altair as alt

from tasks.publish.dashboard.chart_theme import DOWN, LINE, PAPER, SOFT, UP, WARN, Drawing

# 0.995 and 12.5k: SI prefixes alone would make 995m of the first.
SHORT = "abs(datum.value) < 1e4 ? format(datum.value, ',~r') : format(datum.value, '~s')"
# A diagonal cross, for what failed: a path in a square from -1 to 1.
CROSS = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"


def failures() -> Drawing:
    """Failed checks of each window. `failures`: window, severity, failed, and texts; `clean`: window, checks."""
    x = _windows("true")
    y = alt.Scale(domain=[0, alt.ExprRef("max(1, most)")])
    drawing = alt.layer(_bars(x, y), _dots(x, y)).properties(height=150, description="Failed checks by window")
    return drawing.add_params(alt.param(name="most", value=1), alt.param(name="windows", value=[]))


def value() -> Drawing:
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
        chart.mark_line(stroke=SOFT, strokeDash=[3, 3], strokeWidth=1, interpolate="step").encode(
            y=alt.Y("threshold:Q", scale=levels)
        ),
        chart.mark_line(stroke=LINE, strokeWidth=1.25).encode(y=value),
        chart.mark_point(stroke="none", opacity=1).encode(
            y=value,
            tooltip=texts,
            shape=alt.condition("datum.passed", alt.value("circle"), alt.value(CROSS)),
            size=alt.condition("datum.passed", alt.value(14), alt.value(110)),
            fill=alt.condition("datum.passed", alt.value(LINE), alt.value(DOWN)),
        ),
    ).properties(height=96, description="Value of the check by window")
    return drawing.add_params(alt.param(name="levels", value=[0, 1]), alt.param(name="windows", value=[]))


def _bars(x: alt.X, y: alt.Scale) -> alt.Chart:
    severities = ["error", "warning"]
    fills = alt.Scale(domain=severities, range=[DOWN, PAPER])
    strokes = alt.Scale(domain=severities, range=[DOWN, WARN])
    chart: alt.Chart = (
        alt.Chart(alt.NamedData(name="failures"))
        .mark_bar(size=alt.ExprRef("min(22, bandwidth('x') * 0.72)"), strokeWidth=1.5)
        .encode(
            x=x,
            y=alt.Y(
                "failed:Q",
                title=None,
                scale=y,
                axis=alt.Axis(format="d", tickCount=alt.ExprRef("min(4, max(1, most))")),
            ),
            # Solid against hollow: the two kinds can be told apart without their colours.
            fill=alt.Fill("severity:N", legend=None, scale=fills),
            stroke=alt.Stroke("severity:N", legend=None, scale=strokes),
            order=alt.Order("severity:O"),
            tooltip=[
                alt.Tooltip("span:N", title="Window"),
                alt.Tooltip("severity:N", title="Severity"),
                alt.Tooltip("failed:Q", title="Failed"),
                alt.Tooltip("checks:Q", title="Of checks"),
            ],
        )
    )
    return chart


def _dots(x: alt.X, y: alt.Scale) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(alt.NamedData(name="clean"))
        .mark_point(shape="circle", size=28, fill=UP, stroke=UP, opacity=1, yOffset=-5)
        .encode(
            x=x,
            y=alt.datum(0, scale=y),
            tooltip=[alt.Tooltip("span:N", title="Window"), alt.Tooltip("checks:Q", title="Checks, all passed")],
        )
    )
    return chart


def _windows(wanted: str) -> alt.X:
    """The axis that all drawings of windows share: each has its place, in order, also where it has no value.

    A window's name is its two dates, as 2024-01-01_2024-01-31. Its label is the last one, where `wanted` is true.
    """
    label = f"{wanted} ? utcFormat(toDate(slice(datum.value, 11)), '%-d %b %Y') : ''"
    # Where windows are narrow, the outer labels would stand out of the drawing.
    side = alt.ExprRef("bandwidth('x') > 90 || datum.index % 1 ? 'center' : datum.index ? 'right' : 'left'")
    axis = alt.Axis(grid=False, labelAngle=0, labelAlign=side, labelOverlap=True, labelSeparation=16, labelExpr=label)
    places = alt.Scale(domain=alt.ExprRef("windows"))
    return alt.X("window:N", sort=None, title=None, axis=axis, scale=places)
