"""What a lake needs of a blob store: immutable files, and one small file per partition swapped by compare-and-swap."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

CredentialProvider = Callable[[], tuple[dict[str, str], int | None]]


@dataclass(frozen=True)
class Stored:
    """A small file's content and the tag that changes whenever it does."""

    data: bytes
    etag: str


@dataclass(frozen=True)
class Entry:
    path: str
    bytes: int
    modified: datetime  # UTC
    arrived: datetime | None = None  # UTC: when it came here, where that is known; a copy may keep its original's time


class Store(Protocol):
    """Files by path; the first segment of a path is the state (a container, or a folder)."""

    def read(self, path: str) -> Stored | None:
        """The file, or None where there is none."""
        ...

    def chunks(self, path: str) -> Iterator[bytes]:
        """The bytes of a file of any size, some megabytes at a time.

        Raises TransientError where there is no such file, and when it is replaced or deleted meanwhile."""
        ...

    def swap(self, path: str, data: bytes, etag: str | None) -> bool:
        """Writes a small file if it still has this tag (None: if it does not exist). False: somebody else was first."""
        ...

    def create(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A new file to write to. It is complete and durable when the context ends; after an exception it is gone."""
        ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files whose path starts with the prefix, which ends with `/`, in order of path."""
        ...

    def delete(self, path: str) -> None:
        """Removes a file. One that is not there is no error."""
        ...

    def url(self, path: str) -> str:
        """What polars opens this file by."""
        ...

    @property
    def storage_options(self) -> dict[str, str | int] | None:
        """What polars needs beside the URL, credentials among it."""
        ...

    @property
    def credential_provider(self) -> CredentialProvider | None:
        """Fetches credentials that expire, and when: seconds since 1970. None where none do."""
        ...
