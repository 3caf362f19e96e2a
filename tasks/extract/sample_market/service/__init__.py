"""The API that the sample market serves."""
