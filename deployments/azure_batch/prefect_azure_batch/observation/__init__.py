"""What becomes of tasks, and telling Prefect."""
