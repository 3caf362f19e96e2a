"""`INSERT ... ON CONFLICT`, which SQLite and PostgreSQL have alike."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tasks.database.dialects import statements


def upsert(insert: Callable[[sa.Table], Any], target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
    """`insert` is the one of the SQLAlchemy dialect. Rows that are there and equal are not touched."""
    # Without a WHERE, SQLite would take ON CONFLICT for the condition of a join: sqlite.org/lang_upsert.html.
    rows = sa.select(staging).where(sa.true())
    statement = insert(target).from_select([c.name for c in staging.columns], rows)
    key, values = statements.key_of(target), statements.values_of(target)
    if not values:
        return statement.on_conflict_do_nothing(index_elements=key)  # type: ignore[no-any-return]
    return statement.on_conflict_do_update(  # type: ignore[no-any-return]
        index_elements=key,
        set_={name: statement.excluded[name] for name in values},
        where=sa.or_(*(target.c[name].is_distinct_from(statement.excluded[name]) for name in values)),
    )
