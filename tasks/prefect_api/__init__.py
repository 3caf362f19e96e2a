"""Prefect's API, as flows and tasks depend on it: what it cannot take is told, and costs no data."""
