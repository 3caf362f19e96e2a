"""What the documents tell a reader to type works as it stands there."""

import re
from pathlib import Path

import pytest

from tests.documents.blocks import LANGUAGES, PROJECT, WORDS, Block, blocks, documents
from tests.documents.shell import Reader

ALL = [block for document in documents() for block in blocks(document)]
RUN = ("", "serves", "fails")
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)\s]*)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", ALL, ids=lambda block: block.name)
def test_a_block_is_of_a_kind_that_is_known(block: Block) -> None:
    assert block.language in LANGUAGES
    assert block.word in WORDS
    assert bool(block.detail) == bool(block.word)
    if block.word == "serves":
        assert block.detail in block.text


@pytest.mark.parametrize("block", [b for b in ALL if b.word == "is"], ids=lambda block: block.name)
def test_a_file_that_is_shown_stands_there_word_by_word(block: Block) -> None:
    assert block.text == (PROJECT / block.detail).read_text(encoding="utf-8")


@pytest.mark.parametrize("block", [b for b in ALL if b.word == "not run"], ids=lambda block: block.name)
def test_a_test_that_is_named_in_place_of_a_block_is_there(block: Block) -> None:
    for path in re.findall(r"tests/[\w/.]+\w", block.detail):
        assert (PROJECT / path).exists()


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", document.read_text(encoding="utf-8"))):
        path, _, part = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not part or part in _parts(target), link


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "document",
    [d for d in documents() if any(block.word in RUN for block in blocks(d))],
    ids=lambda path: str(path.relative_to(PROJECT)),
)
def test_a_reader_who_types_all_of_it_gets_to_the_end(document: Path, prefect_api: str, tmp_path: Path) -> None:
    typed = [block for block in blocks(document) if block.word in RUN]
    with Reader(tmp_path / "project", typed, prefect_api) as reader:
        for block in typed:
            reader.run(block)


def _parts(document: Path) -> set[str]:
    """What a link may name behind `#`: the headings, as GitHub writes them there."""
    headings = _HEADING.findall(_CODE.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
