"""Pages are looked at in Chromium."""

from tests.servers.chromium import browser, chromium

__all__ = ["browser", "chromium"]
