"""Pages are looked at in Chromium."""

from tests.chromium import browser, chromium

__all__ = ["browser", "chromium"]
