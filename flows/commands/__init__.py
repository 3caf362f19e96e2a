"""What can be typed behind `python -m flows.NAME`, one module per flow.

Each says what is wrong with what was typed before it imports its flow, and with it Prefect and polars: that takes
seconds, for which nobody should wait to read --help."""
