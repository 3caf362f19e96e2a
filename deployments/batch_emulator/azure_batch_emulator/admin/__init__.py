"""The emulator's own routes under `/emulator/`, and a page to look at."""
