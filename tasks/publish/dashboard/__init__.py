"""The dashboard: one HTML page about one run, which needs no network.

`choose_codes` says which codes a page can show, `render` makes the page of their rows. Drawing needs the optional
dependencies of the extra `dashboard`; importing this package does not.
"""

from tasks.publish.dashboard.chosen_codes import choose_codes
from tasks.publish.dashboard.figures import RunFigures
from tasks.publish.dashboard.page import render

__all__ = ["RunFigures", "choose_codes", "render"]
