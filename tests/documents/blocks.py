"""The blocks of code in the project's documents, each with the word that stands before it for the tests.

A comment on the line before a block says how it is to be taken; without one it is run:

    <!-- not run: REASON -->     what it needs is not at hand: the reason is for the reader too
    <!-- serves: PORT -->        its last command goes on until the document ends, and listens there (or, in tests, on a
                                 free port, which takes this one's place in the whole document)
    <!-- is: PATH -->            it is this file of the project, word by word, which tests of its own run
    <!-- fails: TEXT -->         it shows what goes wrong: run, and it must end with an error that says so
"""

import re
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ROOMS = ("flows", "tasks", "deployments", "batch_image", "tests", ".github")
_BLOCK = re.compile(r"^(?:<!-- ([^\n]*?) -->\n+)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LANGUAGES = ("console", "diff", "python")
WORDS = ("", "not run", "serves", "is", "fails")


@dataclass(frozen=True)
class Block:
    """`word` is what the comment begins with, and `detail` what follows it; `line` counts from 1."""

    document: Path
    line: int
    language: str
    text: str
    word: str = ""
    detail: str = ""

    @property
    def name(self) -> str:
        return f"{self.document.relative_to(PROJECT)}:{self.line}"


def documents() -> list[Path]:
    """All that the project says in Markdown."""
    return sorted([*PROJECT.glob("*.md"), *(found for room in ROOMS for found in (PROJECT / room).rglob("*.md"))])


def blocks(document: Path) -> list[Block]:
    """The commands and programs of a document, in their order; output and pictures have no language."""
    text = document.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    return [Block(document, text.count("\n", 0, f.start(3)), f[2], f[3], *_word(f[1])) for f in found]


def _word(comment: str | None) -> tuple[str, str]:
    word, _, detail = (comment or "").partition(":")
    return word.strip(), detail.strip()
