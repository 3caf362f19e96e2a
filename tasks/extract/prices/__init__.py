"""End-of-day prices of many codes: planned, fetched, and kept as received."""
