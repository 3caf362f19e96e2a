"""What can go wrong with a source, on purpose."""
