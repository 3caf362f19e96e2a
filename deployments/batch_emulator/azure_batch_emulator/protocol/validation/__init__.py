"""What the service takes in a body, and what it never tells again."""
