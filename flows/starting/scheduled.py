"""The days of a run that was given none: up to the last one that is over at the time for which it is scheduled."""

from collections.abc import Sequence
from datetime import datetime

from tasks.codes import qualified
from tasks.sessions.closing_times import last_day_over
from tasks.sessions.trading_days import exchange_of
from tasks.settings import load_settings
from tasks.window import Window


def scheduled_window(moment: datetime, days: int, codes: Sequence[str] | None = None) -> Window:
    """So many days, of which the last has closed at one of the codes' exchanges, and is published.

    By the exchanges' clocks: in whatever zone a schedule is written, it means the same moment."""
    settings = load_settings()
    named = codes or settings.codes
    codes = qualified(named, settings.exchange) if named else [f"ALL.{settings.exchange}"]
    exchanges = {exchange_of(code) for code in codes}
    return Window.up_to(max(last_day_over(e, moment, settings.source_delay) for e in exchanges), days)
