"""Staging tables that a load which died has left behind, where a store does not undo that by itself."""

import sqlalchemy as sa
from sqlalchemy.schema import DropTable

from tasks.database.connection import Connection
from tasks.database.dialects.staging_names import is_private


def remove_abandoned_staging(connection: Connection) -> list[str]:
    """Drops staging tables with names of their own, and returns these names.

    Inside a transaction for writing, in which no load is: so none of them is in use."""
    names = connection.fetch(connection.dialect.tables).to_series().to_list()
    found = sorted(filter(is_private, names))
    for name in found:
        connection.execute(DropTable(sa.Table(name, sa.MetaData())))
    return found
