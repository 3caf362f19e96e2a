"""The counts of one run, as the head of the page shows them."""

from dataclasses import dataclass
from datetime import datetime

from tasks.errors import ConfigurationError
from tasks.window import Window


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """What one run did. `generated_at` has a time zone; counts of codes are of those asked for, others of rows."""

    run: str
    window: Window
    generated_at: datetime
    codes_asked: int = 0
    codes_asked_now: int = 0  # by this run: the answers of the others were in the lake
    codes_fetched: int = 0
    codes_empty: int = 0
    codes_missing: int = 0  # which trade, and came without bars
    codes_unknown: int = 0
    codes_refused: int = 0
    codes_failed: int = 0
    rows_received: int = 0
    rows_published: int = 0
    rows_quarantined: int = 0
    rows_duplicates: int = 0
    rows_revised: int = 0  # of the published ones: they replaced a row that was stored with other values
    rows_withdrawn: int = 0  # of those stored before: the source does not give them any more, and they were removed
    withdrawn: tuple[str, ...] = ()  # the first of them, by code and day
    loaded_inserted: int = 0
    loaded_updated: int = 0
    loaded_deleted: int = 0

    def __post_init__(self) -> None:
        if self.generated_at.utcoffset() is None:
            raise ConfigurationError(
                f"The page of run {self.run} was dated {self.generated_at}, which has no time zone. "
                "Give a moment with one, such as datetime.now(UTC)."
            )

    @property
    def rows_unexplained(self) -> int:
        """Zero when `received = published + quarantined + duplicates`; more when rows were lost, less when made."""
        return self.rows_received - self.rows_published - self.rows_quarantined - self.rows_duplicates
