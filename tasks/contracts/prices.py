"""The columns and types of the datasets of end-of-day prices, and of what becomes of them."""

import dataframely as dy


class RawPrices(dy.Schema):
    """Bars as the source sent them. One row per code and record received; nothing is checked yet."""

    shard = dy.UInt8()  # of the code in `curated/prices`, so that curating one shard skips the others
    code = dy.String()
    date = dy.String(nullable=True)
    open = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    high = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    low = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    close = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    adjusted_close = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    volume = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")


class Fetches(dy.Schema):
    """What became of each code that was asked for. One row per code."""

    code = dy.String(primary_key=True)
    outcome = dy.Enum(["fetched", "empty", "unknown", "refused", "failed"])
    reason = dy.String(nullable=True)
    warning = dy.String(nullable=True)  # what the source adds to a record, such as the limit of a free plan
    rows = dy.Int64()
    body = dy.Binary(nullable=True)  # of a refused answer, as received
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")
    asked_first = dy.Date(nullable=True)  # the days that were asked for, inclusive
    asked_last = dy.Date(nullable=True)


class Listings(dy.Schema):
    """The codes of an exchange that traded on the last session on or before a day, as the source said."""

    code = dy.String(primary_key=True)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")


class Sources(dy.Schema):
    """Whose rows a dataset has. One row."""

    source = dy.String(primary_key=True)  # its host, or what the settings call it: no secret


class Refetches(dy.Schema):
    """A backfill that fetches all again: since when, so that it goes on where it was stopped."""

    begun = dy.Datetime(time_unit="us", time_zone="UTC", primary_key=True)
    ended = dy.Bool()


class Prices(dy.Schema):
    """End-of-day bars, one per code and session.

    Open, high, low and close are raw; adjusted_close is for splits and dividends. All are in the listing's currency.
    """

    code = dy.String(primary_key=True, max_length=40)
    date = dy.Date(primary_key=True)
    open = dy.Float64(min_exclusive=0)
    high = dy.Float64(min_exclusive=0)
    low = dy.Float64(min_exclusive=0)
    close = dy.Float64(min_exclusive=0)
    adjusted_close = dy.Float64(min_exclusive=0)
    volume = dy.Int64(min=0)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")


class PriceRow(Prices):
    """What a single bar must be, whatever the others are."""

    code = dy.String(max_length=40)
    date = dy.Date()


class QuarantinedPrices(dy.Schema):
    """Rows of `raw/prices` that break the contract, as received, with their reasons."""

    code = dy.String()
    date = dy.String(nullable=True)
    open = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    high = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    low = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    close = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    adjusted_close = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    volume = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")
    reasons = dy.String()


class PriceMeasures(dy.Schema):
    """One row per code and week with a session. Prices are adjusted for splits and dividends, but for `close`."""

    code = dy.String(primary_key=True, max_length=40)
    week = dy.Date(primary_key=True)  # its Monday
    session = dy.Date()  # the last one of the week
    close = dy.Float64(min_exclusive=0)
    adjusted_close = dy.Float64(min_exclusive=0)
    average_10w = dy.Float64(min_exclusive=0)
    weeks_in_average = dy.Int64(min=1, max=10)
    return_1w = dy.Float64(nullable=True)
    volatility_10w = dy.Float64(nullable=True, min=0)
    high_52w = dy.Float64(min_exclusive=0)
    low_52w = dy.Float64(min_exclusive=0)


class CuratedWindows(dy.Schema):
    """What became of the rows of one window. One row per window; its snapshot names the raw ones it was made from."""

    window_first = dy.Date(primary_key=True)
    window_last = dy.Date(primary_key=True)
    received = dy.Int64(min=0)
    quarantined = dy.Int64(min=0)
    duplicates = dy.Int64(min=0)
    published = dy.Int64(min=0)
    withdrawn = dy.Int64(nullable=True, min=0)  # rows that were stored, and that the source does not give any more
