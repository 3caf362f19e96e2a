"""The SQL views that a dashboard reads: they are named and shaped for it, whatever becomes of the tables beneath."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.schema import CreateView, DropView

from tasks.database.connection import Connection
from tasks.datasets import DATA_QUALITY, PRICE_MEASURES, PRICES, Dataset
from tasks.load.contract import described


def ensure_views(connection: Connection) -> list[str]:
    """Creates each view whose table is there, or makes it anew if it has other columns. Returns the names of those."""
    made = []
    for name, (dataset, query) in VIEWS.items():
        table = dataset.table or ""
        if not described(connection, table):
            continue
        select = query(sa.table(table, *(sa.column(column) for column in dataset.table_columns)))
        found = described(connection, name)
        if list(found) == [column.name for column in select.selected_columns]:
            continue
        if found:
            connection.execute(DropView(sa.Table(name, sa.MetaData())))
        connection.execute(CreateView(select, name))
        made.append(name)
    return made


def _instruments(prices: sa.TableClause) -> sa.Select[tuple[object, ...]]:
    """One row per code: what the other views' code is looked up in."""
    sessions = prices.c.date
    return sa.select(
        prices.c.code,
        sa.func.min(sessions).label("first_session"),
        sa.func.max(sessions).label("last_session"),
        sa.func.count().label("sessions"),
    ).group_by(prices.c.code)


def _whole(table: sa.TableClause) -> sa.Select[tuple[object, ...]]:
    return sa.select(*table.columns)


def _latest(quality: sa.TableClause) -> sa.Select[tuple[object, ...]]:
    """One row per dataset and check: the result of the window that ended last."""
    newest = (quality.c.window_last.desc(), quality.c.window_first.desc())
    place = sa.func.row_number().over(partition_by=(quality.c.dataset, quality.c.check), order_by=newest)
    ranked = sa.select(*quality.columns, place.label("place")).subquery("ranked")
    return sa.select(*(ranked.c[column.name] for column in quality.columns)).where(
        ranked.c.place == sa.literal_column("1")
    )


_Query = Callable[[sa.TableClause], "sa.Select[tuple[object, ...]]"]

VIEWS: Mapping[str, tuple[Dataset, _Query]] = MappingProxyType(
    {
        "dim_instrument": (PRICES, _instruments),
        "fact_price": (PRICES, _whole),
        "fact_measure": (PRICE_MEASURES, _whole),
        "data_quality_latest": (DATA_QUALITY, _latest),
    }
)
