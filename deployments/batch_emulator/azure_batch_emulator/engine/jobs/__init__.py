"""Jobs: how they are made, their states, and schedules that make them."""
