"""How long the lake keeps what nobody reads any more. It is also the longest that a read, and a run, may take."""

from datetime import timedelta

from tasks.errors import ConfigurationError

SHORTEST = timedelta(hours=1)
DEFAULT_DAYS = 7.0


def retention_of(days: float) -> timedelta:
    """Raises ConfigurationError for what is no time, and for too short a time."""
    try:
        retention = timedelta(days=days)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{days} days are no time to keep snapshots for. Give a number such as {DEFAULT_DAYS:g}."
        ) from None
    check_retention(retention)
    return retention


def check_retention(retention: timedelta) -> None:
    """Raises ConfigurationError for too short a time."""
    if retention < SHORTEST:
        raise ConfigurationError(
            f"A retention of {retention} would remove what runs are still writing. Give {SHORTEST} or more, which is "
            f"{SHORTEST / timedelta(days=1):.3f} days."
        )
