"""The check that what was to be fetched is in the lake, by code and day: see `tasks.coverage`."""

import polars as pl

from tasks.coverage import answers as rule
from tasks.coverage.listings import last_listed
from tasks.coverage.stored import Wanted, counting, read_answers
from tasks.lake import Lake
from tasks.lake.fetches import fetches_within
from tasks.quality.checks import Check
from tasks.reasons import grouped
from tasks.window import Window


def coverage(lake: Lake, window: Window, wanted: Wanted) -> Check:
    """Codes with sessions in the window that no answer settles, from the first day on that each was asked for.

    Of a code that is neither named nor listed any more, up to the last such day."""
    asked = read_answers(lake, fetches_within(lake, window))
    alive = wanted.codes if wanted.codes is not None else last_listed(lake, wanted.exchange, window.last)
    spans = {}
    by_code = asked.group_by("code").agg(pl.col("asked_first").min(), pl.col("asked_last").max())
    for code, first, last in by_code.sort("code").iter_rows():
        begin, end = max(window.first, first), window.last if code in alive else min(window.last, last)
        if begin <= end:
            spans[code] = Window(first=begin, last=end)
    lacking = rule.missing(counting(lake, [window]), spans, wanted.as_of)
    named = grouped((code, f"lack {days.first} to {days.last}") for code, days in lacking.items())
    detail = f"{len(lacking)} codes lack days that are over{': ' if named else ''}{named}"[:1000]
    return Check("coverage", "warning", not lacking, float(len(lacking)), 0.0, detail)
