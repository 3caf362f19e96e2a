"""SQL stores through ADBC drivers, which speak Arrow."""
