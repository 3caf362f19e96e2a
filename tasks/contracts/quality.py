"""The columns and types of the datasets that the checks write."""

import dataframely as dy


class DataQuality(dy.Schema):
    """One row per window, dataset and check."""

    window_first = dy.Date(primary_key=True)
    window_last = dy.Date(primary_key=True)
    dataset = dy.String(primary_key=True, max_length=60)
    check = dy.String(primary_key=True, max_length=60)
    severity = dy.String(max_length=10)  # error or warning
    passed = dy.Bool()
    value = dy.Float64(nullable=True)
    threshold = dy.Float64(nullable=True)
    detail = dy.String(max_length=1000)


class QualityResults(dy.Schema):
    """One row per run of `data-quality`, dataset and check: what was found of a window when the run looked."""

    run = dy.String(primary_key=True, max_length=100)
    dataset = dy.String(primary_key=True, max_length=60)
    check = dy.String(primary_key=True, max_length=60)
    checked_on = dy.Date()  # in UTC, as `checked_at` is
    checked_at = dy.Datetime(time_unit="us", time_zone="UTC")
    window_first = dy.Date()
    window_last = dy.Date()
    severity = dy.String(max_length=10)  # error or warning
    passed = dy.Bool()
    value = dy.Float64(nullable=True)
    threshold = dy.Float64(nullable=True)
    detail = dy.String(max_length=1000)
