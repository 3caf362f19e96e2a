"""Whether the warehouse has what it loaded: the engine's counts and sums by code and year, and the lake's."""
