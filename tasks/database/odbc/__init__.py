"""SQL stores through ODBC drivers."""
