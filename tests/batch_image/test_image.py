"""What is in the built image, and what is not."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch_image.containers import mounted
from tests.batch_image.driver_repository import driver_repository
from tests.batch_image.image import BASE, build, buildah, inspect

pytestmark = pytest.mark.timeout(1800)  # for the first build, on a busy machine
PACKAGES = "opt/etl/lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def configuration(image: str) -> dict[str, Any]:
    found: dict[str, Any] = inspect(image)["OCIv1"]["config"]
    return found


@pytest.fixture(scope="module")
def files(image: str) -> Iterator[Path]:
    """The root of the image's file system."""
    with mounted(image) as root:
        yield root


def test_the_entry_point_is_the_launcher_below_a_process_1(configuration: dict[str, Any]) -> None:
    assert configuration["Entrypoint"] == ["/usr/bin/tini", "-s", "--", "/opt/etl/bin/batch-launcher"]
    assert "Cmd" not in configuration
    assert "Healthcheck" not in configuration


def test_nothing_is_in_its_environment_but_where_things_are(configuration: dict[str, Any]) -> None:
    names = {variable.partition("=")[0] for variable in configuration["Env"]}
    assert names == {"PATH", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def test_it_is_small_and_a_change_of_the_project_changes_little_of_it(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = inspect(image)
    steps = [step for step in found["OCIv1"]["history"] if not step.get("empty_layer")]
    layers = found["OCIv1"]["rootfs"]["diff_ids"]
    sizes = {layer["digest"]: layer["size"] / 1e6 for layer in json.loads(found["Manifest"])["layers"]}
    with capsys.disabled():
        sys.stdout.write("\nthe image by layer, uncompressed:\n")
        for name, layer in zip(["base", "system", "packages", "project"], layers, strict=True):
            sys.stdout.write(f"  {name:9}{sizes[layer]:7.1f} MB\n")
    _, system, packages, project = (sizes[layer] for layer in layers)

    assert len(steps) == 4
    assert system < 20
    assert packages < 700
    assert project < 10


def test_no_build_tools_and_no_caches_are_in_it(files: Path) -> None:
    tools = ["gcc", "cc", "make", "ld", "strip", "git", "pip", "pip3", "uv", "hatchling", "pytest", "mypy"]
    folders = ["usr/bin", "usr/local/bin", "opt/etl/bin"]
    assert not [tool for tool in tools for folder in folders if (files / folder / tool).exists()]
    assert [path.name for path in (files / "opt").iterdir()] == ["etl"]
    for kept_empty in ["var/lib/apt/lists", "var/cache/apt", "root/.cache", "tmp", "build"]:
        assert not list((files / kept_empty).glob("*"))


def test_no_tests_and_none_of_the_extras_are_in_it(files: Path) -> None:
    packages = files / PACKAGES
    assert not [path for path in packages.rglob("tests") if path.is_dir()]
    unwanted = [
        "altair",
        "vl_convert",
        "ipykernel",
        "pandas",
        "pytest",
        "hypothesis",
        "mypy",
        "trustme",
        "pip",
        "setuptools",
    ]
    assert not [name for name in unwanted if (packages / name).exists()]
    assert not list((packages / "flows").rglob("*.ipynb"))
    assert not (packages / "deployments" / "local").exists()


def test_nothing_of_this_machine_is_in_it(files: Path) -> None:
    assert (files / "etc/pip.conf").read_text() == ""  # the base's, in place of which this machine's was mounted
    project = [
        path
        for name in ("flows", "tasks", "deployments", "prefect_azure_batch", "batch_launcher")
        for path in (files / PACKAGES / name).rglob(".*")
    ]
    assert project == []


def test_all_bytecode_is_there_and_trusted(files: Path) -> None:
    """A flag says that it is not checked against its source: https://docs.python.org/3/reference/import.html#pyc-invalidation"""
    sources = [
        path for path in (files / PACKAGES).rglob("*.py") if path.parts[-2] in ("tasks", "flows", "prefect", "polars")
    ]
    assert len(sources) > 50
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", source


def test_everything_in_it_can_be_read_by_any_user(files: Path) -> None:
    assert not [
        path for path in (files / "opt").rglob("*") if not path.is_symlink() and not path.stat().st_mode & 0o004
    ]


def test_the_driver_of_sql_server_is_installed_from_its_repository(image: str, tmp_path: Path) -> None:
    name = "localhost/etl-test-driver:latest"
    with driver_repository(tmp_path) as url:
        build(name, BASE, "--target=system", f"--build-arg=ODBC_REPOSITORY={url}")
    try:
        with mounted(name) as root:
            assert (root / "opt/microsoft/driver").read_text() == "here\n"
            assert not list((root / "etc/apt/sources.list.d").iterdir())
            assert not (root / "usr/share/keyrings/microsoft.asc").exists()
    finally:
        buildah("rmi", name)
