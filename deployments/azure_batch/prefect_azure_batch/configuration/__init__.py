"""What a user can set: the variables of a work pool, their form in the UI, and their check."""
