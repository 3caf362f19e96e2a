"""What a plan says before anything is known of the codes."""

from datetime import date

from tasks.extract.prices.backfill_pace import Pace, estimate_text
from tasks.window import Window


def test_a_plan_of_no_codes_asks_how_many_there_are() -> None:
    span = Window(first=date(2020, 1, 1), last=date(2024, 12, 31))
    told = estimate_text(span, list(span.by_years(1)), Pace(), None)
    assert "5 windows" in told
    assert "--plan-codes" in told
    assert "| 0 |" not in told  # no calls and no cost: nobody should believe that
    assert "50 codes" in estimate_text(span, [span], Pace(plan_codes=50), None)
