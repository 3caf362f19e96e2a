"""Staging tables that a load which died has left behind, where a store does not undo that by itself."""

import re
import secrets

import sqlalchemy as sa
from sqlalchemy.schema import DropTable

from tasks.load.connection import Connection

STAGING = "etl_staging_"
_PRIVATE = re.compile(rf"{STAGING}.*_[0-9a-f]{{16}}", re.DOTALL)


def private_name(name: str, longest: int) -> str:
    """A name for a staging table that nobody else has, by which `remove_leftovers` knows it again."""
    suffix = f"_{secrets.token_hex(8)}"
    return name[: longest - len(suffix)] + suffix


def remove_leftovers(connection: Connection) -> list[str]:
    """Drops staging tables with names of their own, and returns these names.

    Inside a transaction for writing, in which no load is: so none of them is in use."""
    names = connection.fetch(connection.dialect.tables).to_series().to_list()
    found = sorted(name for name in names if _PRIVATE.fullmatch(name))
    for name in found:
        connection.execute(DropTable(sa.Table(name, sa.MetaData())))
    return found
