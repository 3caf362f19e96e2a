"""Conformance: files that are dropped are seen, taken by one at a time, and put away once, wherever it was cut off."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import TransientError
from tasks.lake.landing import Landed, Landing, Shelf
from tasks.lake.store import Store


@pytest.fixture
def landing(store: Store) -> Landing:
    return Landing(store)


def drop(store: Store, path: str, content: bytes = b"1;2") -> None:
    with store.create(f"landing/{path}") as file:
        file.write(content)


def waiting(landing: Landing, *patterns: str) -> list[str]:
    return sorted(file.path for file in landing.waiting(patterns or ("*",)))


def only(landing: Landing) -> Landed:
    (file,) = landing.waiting()
    return file


def files(store: Store) -> list[str]:
    """All but those that keep folders."""
    return [e.path.removeprefix("landing/") for e in store.entries("landing/") if not e.path.endswith("/.keep")]


def put_away(landing: Landing, file: Landed, shelf: Shelf = "done", note: bytes = b"{}") -> None:
    landing.put_away(file, shelf, note)


def test_what_is_dropped_waits_and_what_is_nobodys_business_does_not(store: Store, landing: Landing) -> None:
    assert waiting(landing) == []
    dropped = ["a.csv", "acme/b.xlsx", "acme/deep/c.csv", "done.csv", "acme/done/d.csv"]
    others = [".hidden", "acme/.hidden/e.csv", "_note.csv", "f.csv.part", "g.filepart", "h.TMP", "done/2024/i.csv"]
    others += ["failed/j.csv", "_claims/k.json", "acme/~$b.xlsx", "acme/desktop.ini", "Thumbs.db"]
    for path in (*dropped, *others):
        drop(store, path)
    assert waiting(landing) == sorted(dropped)
    assert waiting(landing, "*.xlsx", "a*") == ["a.csv", "acme/b.xlsx", "acme/deep/c.csv", "acme/done/d.csv"]
    assert waiting(landing, "acme/b*") == ["acme/b.xlsx"]
    assert waiting(landing, "nothing*") == []


def test_there_is_a_place_to_drop_files_before_the_first_comes(store: Store, landing: Landing) -> None:
    landing.waiting()
    assert [e.path for e in store.entries("landing/")] == ["landing/.keep"]


@pytest.mark.parametrize("shelf", ["done", "failed"])
@pytest.mark.parametrize("path", ["a.csv", "acme/deep/a.csv"])
def test_a_file_is_put_away_whole_with_a_note_beside_it(store: Store, landing: Landing, shelf: Any, path: str) -> None:
    content = bytes(range(256)) * 50_000  # more than a chunk
    drop(store, path, content)
    file = only(landing)
    assert file.bytes == len(content)

    put_away(landing, file, shelf, b'{"reason": "x"}')

    folder = path.rpartition("/")[0]
    home = "/".join(part for part in (shelf, folder, file.id) if part)
    assert files(store) == [f"{home}/a.csv", f"{home}/a.csv.json"]
    assert b"".join(store.chunks(f"landing/{home}/a.csv")) == content
    assert b"".join(store.chunks(f"landing/{home}/a.csv.json")) == b'{"reason": "x"}'
    assert waiting(landing) == []
    put_away(landing, file, shelf)  # again: no error
    assert len(files(store)) == 2


def test_a_file_is_copied_as_it_is_and_one_that_is_gone_is_said_to_be(
    store: Store, landing: Landing, tmp_path: Path
) -> None:
    drop(store, "a.csv", b"x" * 100)
    file = only(landing)
    landing.copy(file, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"x" * 100
    put_away(landing, file)
    with pytest.raises(TransientError, match=r"a\.csv"):
        landing.copy(file, tmp_path / "copy")


def test_one_run_takes_a_file_and_none_takes_one_that_is_gone(store: Store, landing: Landing) -> None:
    drop(store, "a.csv")
    drop(store, "b.csv")
    one, two = landing.waiting()
    with landing.taking(one, "r1") as mine, landing.taking(one, "r2") as theirs, landing.taking(two, "r2") as other:
        assert (mine, theirs, other) == (True, False, True)
        put_away(landing, one)
    with landing.taking(one, "r2") as mine:
        assert not mine


def test_a_file_that_is_replaced_while_it_is_taken_waits_again(store: Store, landing: Landing) -> None:
    drop(store, "a.csv", b"first")
    first = only(landing)
    with landing.taking(first, "r1") as mine:
        assert mine
        store.delete("landing/a.csv")
        drop(store, "a.csv", b"the second")
        put_away(landing, first)
    second = only(landing)
    assert second.bytes == 10
    assert second.id != first.id
    put_away(landing, second)
    assert waiting(landing) == []


class KilledError(Exception):
    """What ends a run without a chance to tidy up."""


class Failing:
    """A store whose owner is killed before the change of a given number."""

    def __init__(self, store: Store, last: int) -> None:
        self._store, self._left = store, last

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in {"swap", "create", "delete"}:
            return found

        def counted(*arguments: Any) -> Any:
            if self._left == 0:
                raise KilledError
            self._left -= 1
            return found(*arguments)

        return counted


@pytest.mark.parametrize("second", ["done", "failed"])
@pytest.mark.parametrize("changes", range(4))
def test_whenever_putting_away_is_cut_off_doing_it_again_leaves_one_of_each(
    store: Store, landing: Landing, changes: int, second: Any
) -> None:
    """Changes are the copy, the note, the folder's keep, and the removal. The second run may come to another end."""
    drop(store, "acme/a.csv", b"content")
    file = only(landing)
    failing: Any = Failing(store, changes)
    with pytest.raises(KilledError):
        put_away(Landing(failing), file, "done", b"first")

    if changes < 3:
        assert waiting(landing) == ["acme/a.csv"]
    put_away(landing, file, second, b"second")

    assert waiting(landing) == []
    home = f"{second}/acme/{file.id}"
    assert {f"{home}/a.csv", f"{home}/a.csv.json"} <= set(files(store))
    if second == "done":
        assert files(store) == [f"{home}/a.csv", f"{home}/a.csv.json"]


def test_half_a_copy_of_a_run_that_was_killed_is_made_anew(store: Store, landing: Landing) -> None:
    drop(store, "a.csv", b"content")
    file = only(landing)
    drop(store, f"done/{file.id}/a.csv", b"cont")
    put_away(landing, file)
    assert b"".join(store.chunks(f"landing/done/{file.id}/a.csv")) == b"content"


def test_the_id_of_a_drop_is_its_own(store: Store, landing: Landing) -> None:
    drop(store, "a.csv")
    file = only(landing)
    same = Landed(path=file.path, bytes=file.bytes, dropped=file.dropped)
    changed: list[Callable[[Landed], Landed]] = [
        lambda f: f.model_copy(update={"path": "b.csv"}),
        lambda f: f.model_copy(update={"bytes": f.bytes + 1}),
        lambda f: f.model_copy(update={"dropped": f.dropped + timedelta(seconds=1)}),
    ]
    assert same.id == file.id
    assert file.id not in {change(file).id for change in changed}
