"""SQL queries as a source."""
