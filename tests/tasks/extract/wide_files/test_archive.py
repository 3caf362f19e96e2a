"""Packed files: what is in them, and why they are refused."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from tasks.errors import ContractError
from tasks.extract.wide_files.archive import unpacked
from tests.flows.vendor_file.vendors import wide_xlsx

TEXT = b"id;31/01/2024\nA;1.5\n"


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dropped"


@pytest.mark.parametrize(
    "content", [TEXT, wide_xlsx([["id"]]), zipped({"[Content_Types].xml": b""})], ids=["text", "workbook", "types"]
)
@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lambda content: gzip.compress(content[:7]) + gzip.compress(content[7:]),
        lambda content: zipped({"prices.csv": content}),
        lambda content: zipped({"a/": b"", "a/prices": content, "__MACOSX/a/._prices": b"\x00"}),
        lambda content: content,
    ],
)
def test_the_file_in_it(path: Path, content: bytes, pack) -> None:
    path.write_bytes(pack(content))
    assert unpacked(path).read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped({"a.csv": TEXT, "b.csv": TEXT}), "has 2 files, not one: 'a.csv', 'b.csv'. Drop each"),
        (zipped({"a/": b""}), "has 0 files"),
        (gzip.compress(TEXT)[:-9], "cannot be unpacked.*Pack the file anew"),
        (gzip.compress(TEXT)[:-8] + bytes(8), "cannot be unpacked.*CRC"),
        (zipped({"a.csv": TEXT * 9}).replace(b"\xcbL", b"\xcbM", 1), "cannot be unpacked"),
        (b"\x1f\x8b\x08\x00", "cannot be unpacked"),
        (gzip.compress(bytes(2_000_000)), "unpacks to more than 1,000,000 bytes"),
        (zipped({"a.csv": bytes(2_000_000)}), "unpacks to more than 1,000,000 bytes"),
        (zipped({"[Content_Types].xml": b"", "xl/a.xml": bytes(2_000_000)}), "unpacks to more than 1,000,000 bytes"),
        (zipped({"a.csv": TEXT}).replace(b"\x14\x00\x00\x00\x08", b"\x14\x00\x01\x00\x08"), "has a password"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # archives have the time in them
)
def test_what_is_refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ContractError, match=message):
        unpacked(path, most_bytes=1_000_000)
