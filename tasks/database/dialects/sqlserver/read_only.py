"""What SQL Server may be asked: one SELECT. It has no transaction that refuses to write, and takes several statements
with nothing between them."""

import sqlglot
from sqlglot import errors, exp

from tasks.errors import ConfigurationError

_WRITES = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.NextValueFor)
_SENT_ON = {"OPENQUERY", "OPENROWSET", "OPENDATASOURCE"}  # text that another server runs, whatever it says


def require_select(sql: str) -> None:
    """Raises ConfigurationError for what is no SELECT, has another statement behind it, or would change anything."""
    try:
        trees = sqlglot.parse(sql, read="tsql", error_level=errors.ErrorLevel.RAISE)
    except (errors.SqlglotError, RecursionError) as error:
        told = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"It cannot be told that the query only reads ({told}). Give a single SELECT; of one that nobody but the "
            "server understands, make a view, and select from that."
        ) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query) or _writes(trees[0]):
        raise ConfigurationError("The query would change something, or is no single SELECT. Give a single SELECT.")


def _writes(tree: exp.Query) -> bool:
    sent_on = (node for node in tree.find_all(exp.Anonymous) if node.name.upper() in _SENT_ON)
    return tree.find(*_WRITES) is not None or any(True for _ in sent_on)
