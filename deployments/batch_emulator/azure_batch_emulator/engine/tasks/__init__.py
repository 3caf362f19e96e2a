"""Tasks: their states, which node takes which, and their execution; those that prepare a node for a job too."""
