"""The columns and types of the datasets that wide vendor files become."""

import dataframely as dy


class RawVendorColumns(dy.Schema):
    """The columns of dates of one vendor file, in its order; a date may repeat."""

    place = dy.UInt32(primary_key=True)  # in the `values` of a row
    name = dy.String()  # as it is in the header
    date = dy.Date()


class RawVendorRows(dy.Schema):
    """The rows of one vendor file. `values` has a cell for each row of RawVendorColumns, null where nothing is."""

    shard = dy.UInt8()  # of the code in `curated/vendor_values`
    row = dy.UInt32()  # its number in the file, from 1; empty lines do not count
    code = dy.String(nullable=True)
    values = dy.List(dy.Float64(nullable=True))
    unread_at = dy.List(dy.UInt32(), nullable=True)  # places of cells that are no numbers, and what is in them
    unread = dy.List(dy.String(), nullable=True)


class VendorValues(dy.Schema):
    """What vendor files say, one row per series, code and date. The series is the folder that its files come in."""

    series = dy.String(primary_key=True, max_length=60)
    code = dy.String(primary_key=True, max_length=60)
    date = dy.Date(primary_key=True)
    value = dy.Float64()
    received_at = dy.Datetime(time_unit="us", time_zone="UTC")  # when the file was dropped


class QuarantinedVendorValues(dy.Schema):
    """Cells of vendor files that are not in `curated/vendor_values`, as received, with their reasons."""

    series = dy.String()
    file = dy.String()  # its path when it was dropped
    row = dy.UInt32()
    code = dy.String(nullable=True)
    date = dy.Date()
    text = dy.String()
    reasons = dy.String()
    received_at = dy.Datetime(time_unit="us", time_zone="UTC")


class VendorMeasures(dy.Schema):
    """One row per row of VendorValues: the mean of the code's last so many dates up to this one."""

    series = dy.String(primary_key=True, max_length=60)
    code = dy.String(primary_key=True, max_length=60)
    date = dy.Date(primary_key=True)
    value = dy.Float64()
    trailing_mean = dy.Float64()
    dates_in_mean = dy.Int64(min=1)
