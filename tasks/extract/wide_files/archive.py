"""Files that are packed: a ZIP archive or a gzip file with one file in it."""

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import IO

from tasks.errors import ContractError, FatalError
from tasks.extract.wide_files.bounds import DEFAULT_BOUNDS

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_WORKBOOK = ("[Content_Types].xml", "mimetype")  # of Microsoft's and OpenDocument's
_BLOCK = 1 << 20


def unpacked(path: Path, most_bytes: int = DEFAULT_BOUNDS.most_bytes) -> Path:
    """The file itself, or the one in it, which is then beside it. A workbook is a ZIP archive too, and left as it is.

    Raises ContractError for an archive that is broken, needs a password, has not exactly one file or unpacks to more
    bytes than these, FatalError where there is no space for it."""
    with path.open("rb") as file:
        head = file.read(4)
    try:
        if head.startswith(_GZIP):
            with gzip.open(path) as packed:
                return _copied(packed, path, most_bytes)
        if head == _ZIP and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _from_zip(archive, path, most_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError) as error:
        raise ContractError(
            f"The archive cannot be unpacked: {error}. Pack the file anew, or drop it unpacked."
        ) from None
    return path


def _from_zip(archive: zipfile.ZipFile, path: Path, most_bytes: int) -> Path:
    names = archive.namelist()
    if any(name in names for name in _WORKBOOK):
        if sum(info.file_size for info in archive.infolist()) > most_bytes:
            raise _too_large(most_bytes)
        return path
    files = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX/")]
    if len(files) != 1:
        listed = ", ".join(repr(i.filename[:60]) for i in files[:5])
        raise ContractError(f"The ZIP archive has {len(files)} files, not one: {listed}. Drop each by itself.")
    if files[0].flag_bits & 1:
        raise ContractError("The ZIP archive has a password. Drop the file unpacked, or packed without one.")
    with archive.open(files[0]) as packed:
        return _copied(packed, path, most_bytes)


def _copied(packed: IO[bytes] | gzip.GzipFile, path: Path, most_bytes: int) -> Path:
    target, size = path.with_name(f"{path.name}-unpacked"), 0
    with target.open("wb") as file:
        for block in iter(lambda: packed.read(_BLOCK), b""):
            size += len(block)
            if size > most_bytes:
                raise _too_large(most_bytes)
            _write(file, block, path)
    return target


def _write(file: IO[bytes], block: bytes, path: Path) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise FatalError(
            f"The vendor file could not be unpacked in {path.parent}: {error.strerror}. Free some space, or set TMPDIR "
            "to a folder on another disk."
        ) from error


def _too_large(most_bytes: int) -> ContractError:
    return ContractError(f"The file unpacks to more than {most_bytes:,} bytes. Drop it in parts; ETL_FILE_MOST_BYTES.")
