"""Files of tasks from and to blob storage."""
