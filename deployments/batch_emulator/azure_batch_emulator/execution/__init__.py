"""How tasks are run: simulated, as processes, or in containers."""
