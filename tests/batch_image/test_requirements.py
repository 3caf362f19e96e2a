"""The pinned packages of the image: those that the tests ran with, hashed, and none that only tests or pages need."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORK_POOL = tomllib.loads((ROOT / "deployments" / "azure_batch" / "pyproject.toml").read_text())
OWN = {"prefect-azure-batch", "azure-batch-emulator"}  # of this tree: installed from it, not pinned


def pins(file: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / file).read_text()))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~;\s]", requirement)[0] for requirement in requirements}


def test_every_dependency_is_pinned_as_the_tests_have_it() -> None:
    image = pins("batch_image/requirements.txt")

    assert names(PROJECT["project"]["dependencies"]) - OWN <= image.keys()
    assert names(WORK_POOL["project"]["dependencies"]) <= image.keys()
    assert image.items() <= pins(".dev/requirements/test.txt").items()


def test_what_builds_the_project_is_apart() -> None:
    build = pins("batch_image/requirements-build.txt")

    assert names(PROJECT["dependency-groups"]["build"]) <= build.keys()
    assert "hatchling" not in pins("batch_image/requirements.txt")


def test_none_of_the_extras_is_pinned() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    unwanted = names([*extras["dashboard"], *extras["notebooks"], *PROJECT["dependency-groups"]["test"]])
    # Prefect needs these itself; the others are for tests, the dashboard page and notebooks.
    prefects = {re.split(r"[^\w.-]", one)[0].lower() for one in requires("prefect") or ()}

    assert unwanted & pins("batch_image/requirements.txt").keys() <= prefects | {"referencing"}  # jsonschema's


def test_each_pin_has_its_hashes_and_none_an_address() -> None:
    for file in ("batch_image/requirements.txt", "batch_image/requirements-build.txt"):
        text = (ROOT / file).read_text()
        assert "://" not in text
        for pinned in re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]:
            assert "--hash=sha256:" in pinned, pinned
