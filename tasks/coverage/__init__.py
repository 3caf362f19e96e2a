"""What is in the lake, and what is missing: by code and day, from the answers that are kept."""
