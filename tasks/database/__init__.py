"""SQL databases: connections to them, their dialects, and queries of them, for extraction, loads and exports."""

from tasks.database.dialects.dialect import Cursor
from tasks.database.queries import Beyond, Stream, open_stream
from tasks.database.schemes import database_name, url_of

__all__ = ["Beyond", "Cursor", "Stream", "database_name", "open_stream", "url_of"]
