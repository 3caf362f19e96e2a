"""The Prefect tasks that pull data from sources into the `raw` state.

They are imported when they are asked for: what stands beside them, such as the sample market, starts without Prefect.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.extract.prefect_tasks import (
        begin_refetch,
        end_refetch,
        extract_prices,
        extract_query,
        extract_vendor_file,
        find_missing,
        find_vendor_files,
        plan_prices,
        plan_spans,
        put_away_vendor_file,
    )
    from tasks.extract.prices.plan import Extracted, Shard
    from tasks.extract.queries.query import Query, QueryExtracted
    from tasks.extract.wide_files.layout import Layout
    from tasks.extract.wide_files.vendor_files import ExtractedFile
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("tasks.extract.prefect_tasks"), name)


__all__ = [
    "Extracted",
    "ExtractedFile",
    "Layout",
    "Query",
    "QueryExtracted",
    "Shard",
    "begin_refetch",
    "end_refetch",
    "extract_prices",
    "extract_query",
    "extract_vendor_file",
    "find_missing",
    "find_vendor_files",
    "plan_prices",
    "plan_spans",
    "put_away_vendor_file",
]
