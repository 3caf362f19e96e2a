"""The drawings of the page as Vega-Lite specifications, and the JavaScript that draws them.

They hold no data: the page's script fills the named sources. Colours are the custom properties of `page.css`, which
the SVG renderer passes on, so that light and dark need no second drawing.

Imports the optional dependencies altair and vl-convert: import this module where a page is made, not before.
"""

from functools import cache

import vl_convert

from tasks.publish.dashboard import price_charts, quality_charts
from tasks.publish.dashboard.chart_theme import DOWN, UP, Spec, themed


@cache
def specs() -> dict[str, Spec]:
    """Name of a drawing to its specification."""
    drawings = {
        "price": price_charts.price(),
        "strip": price_charts.strip(),
        "rising": price_charts.movers(UP),
        "falling": price_charts.movers(DOWN),
        "failures": quality_charts.failures(),
        "value": quality_charts.value(),
    }
    return {name: themed(drawing) for name, drawing in drawings.items()}


@cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script of about 0.9 MB, which sets `window.vegaEmbed`."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script
