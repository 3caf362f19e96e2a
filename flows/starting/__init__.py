"""How flows are started."""
