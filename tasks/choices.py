"""What people choose from by name, on a command line or in a form: plain words, for which nothing is imported."""

from typing import Literal

FileFormat = Literal["parquet", "csv"]  # of an export
StoredDataset = Literal["prices", "price_measures", "vendor_values", "vendor_measures"]  # that checks judge
