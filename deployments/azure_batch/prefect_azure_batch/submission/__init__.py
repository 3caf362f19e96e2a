"""A flow run becomes a task in a job of a pool."""
