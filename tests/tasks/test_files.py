"""Paths and URLs of files as Windows and other systems have them."""

from pathlib import Path, PureWindowsPath

import pytest

from tasks.errors import ConfigurationError
from tasks.files import local_path, path_of_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///C:/data/my%20lake", r"C:\data\my lake"),
        ("file://C:/data", r"C:\data"),
        ("file:///d:/K%C3%BCrse", r"d:\Kürse"),
        ("file://server/share/lake", r"\\server\share\lake"),
        ("file:///data/lake", r"\data\lake"),
    ],
)
def test_a_url_of_windows_is_a_path_of_windows(url: str, path: str) -> None:
    assert PureWindowsPath(path_of_url(url.removeprefix("file://"), windows=True)) == PureWindowsPath(path)


def test_a_url_of_other_systems_is_a_path_as_it_stands() -> None:
    assert path_of_url("/data/my%20lake", windows=False) == "/data/my lake"


def test_a_home_is_found_as_a_shell_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    assert local_path("~/lake") == tmp_path / "lake"
    assert local_path("file://~/lake") == tmp_path / "lake"
    with pytest.raises(ConfigurationError, match=r"whose home is not known\. Write the path out"):
        local_path("~nobody-of-this-name/lake")
