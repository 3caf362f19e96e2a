"""Tests as at a desk without Linux: `python -m tests.desk`."""
