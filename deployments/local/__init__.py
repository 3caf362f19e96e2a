"""Production on one machine: its parts are started, provided with what they need, and stopped."""
