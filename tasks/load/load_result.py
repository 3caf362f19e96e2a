"""What a load did, in counts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadResult:
    """What a load did. rows_read = inserted + updated + unchanged; deleted rows are counted apart."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0  # rows that the table had already, equal in every column
    deleted: int = 0
    parts_loaded: int = 0
    parts_skipped: int = 0  # those whose snapshot the table had already

    @property
    def rows_read(self) -> int:
        return self.inserted + self.updated + self.unchanged

    def __add__(self, other: "LoadResult") -> "LoadResult":
        return LoadResult(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.deleted + other.deleted,
            self.parts_loaded + other.parts_loaded,
            self.parts_skipped + other.parts_skipped,
        )
