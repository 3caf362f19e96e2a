"""What all drawings share: the names of the page's colours, its type, and how dates stand on an axis."""

from typing import Any, TypeAlias

import altair as alt

Drawing: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart
Spec: TypeAlias = dict[str, Any]

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
TEXT = "var(--ink)"
LINE = "var(--line)"
ACCENT = "var(--accent)"
SOFT = "var(--soft)"
RULE = "var(--rule)"
PAPER = "var(--paper)"
UP = "var(--up)"
DOWN = "var(--down)"
WARN = "var(--warn)"

DATES = {  # of an axis of time, by the unit that a tick begins
    "year": "%Y",
    "quarter": "%b",
    "month": "%b",
    "week": "%-d %b",
    "date": "%-d %b",
    "day": "%-d %b",
    "hours": "",  # prices are of days
}


def themed(drawing: Drawing) -> Spec:
    """The specification, as wide as its place on the page, without an address in it."""
    text: Spec = {"labelColor": SOFT, "labelFontSize": 12}
    lines: Spec = {"domainColor": RULE, "gridColor": RULE}
    autosize: Spec = {"type": "fit-x", "contains": "padding"}
    padding = {"left": 0, "right": 0, "top": 8, "bottom": 4}
    spec: Spec = (
        drawing.properties(width="container", background="transparent", padding=padding, autosize=autosize)
        .configure(font=FONT)
        .configure_axis(**text, **lines, ticks=False, labelPadding=6)
        .configure_axisY(domain=False)
        .configure_view(stroke=None)
        .to_dict()
    )
    del spec["$schema"]
    return spec
