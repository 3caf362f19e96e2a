"""A definition changes with what changes values, and with nothing else."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from tasks.datasets import PRICE_MEASURES, VENDOR_MEASURES
from tasks.transform.derived import definition

CODE = "WEEKS = 10\n\ndef mean(values: list[float]) -> float:\n    return sum(values) / WEEKS\n"


def module(folder: Path, code: str) -> ModuleType:
    path = folder / f"formulas_{len(list(folder.iterdir()))}.py"
    path.write_text(code)
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    return module_from_spec(spec)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("10", "20", False),
        ("sum(values)", "max(values)", False),
        ("10\n", "10  # of trading\n", True),
        ("sum(values) / WEEKS", "(sum(values) / WEEKS)", True),
    ],
)
def test_it_is_that_of_the_formulas(tmp_path: Path, old: str, new: str, *, same: bool) -> None:
    before, after = module(tmp_path, CODE), module(tmp_path, CODE.replace(old, new))
    assert (definition(PRICE_MEASURES, before) == definition(PRICE_MEASURES, after)) is same


def test_it_is_that_of_the_contract(tmp_path: Path) -> None:
    formulas = module(tmp_path, CODE)
    assert definition(PRICE_MEASURES, formulas) != definition(VENDOR_MEASURES, formulas)
