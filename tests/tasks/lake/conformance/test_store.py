"""Conformance: what a lake relies on in its store, whichever it is."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tasks.errors import FatalError
from tasks.lake.store import Store


def write(store: Store, path: str, data: bytes = b"data") -> None:
    with store.create(path) as file:
        file.write(data)


def paths(store: Store, prefix: str) -> list[str]:
    return [e.path for e in store.entries(prefix)]


def test_a_file_is_read_as_it_was_written(store: Store) -> None:
    write(store, "raw/a/part", b"\x00\xff" * 1000)

    stored = store.read("raw/a/part")

    assert stored is not None
    assert stored.data == b"\x00\xff" * 1000


def test_what_is_not_there_is_none_and_no_error(store: Store) -> None:
    assert store.read("raw/nothing") is None
    assert paths(store, "raw/nothing/") == []
    store.delete("raw/nothing/part")


def test_a_file_that_fails_while_it_is_written_is_not_there(store: Store) -> None:
    def fail() -> None:
        with store.create("raw/a/part") as file:
            file.write(b"half of it")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert store.read("raw/a/part") is None
    assert paths(store, "raw/") == []


def test_an_empty_file_is_a_file(store: Store) -> None:
    write(store, "raw/a/part", b"")

    stored = store.read("raw/a/part")

    assert stored is not None
    assert stored.data == b""


def test_a_file_is_never_written_twice(store: Store) -> None:
    write(store, "raw/a/part", b"first")

    with pytest.raises(FatalError, match=r"raw/a/part is in the lake.* already"):
        write(store, "raw/a/part", b"second")

    stored = store.read("raw/a/part")
    assert stored is not None
    assert stored.data == b"first"


def test_a_swap_needs_the_tag_of_what_is_there(store: Store) -> None:
    assert not store.swap("raw/p", b"1", "a tag of nothing")
    assert store.swap("raw/p", b"1", None)
    assert not store.swap("raw/p", b"2", None)

    first = store.read("raw/p")
    assert first is not None
    assert store.swap("raw/p", b"2", first.etag)
    assert not store.swap("raw/p", b"3", first.etag)

    second = store.read("raw/p")
    assert second is not None
    assert second.data == b"2"
    assert second.etag != first.etag


def test_of_many_who_swap_at_once_one_wins(store: Store) -> None:
    store.swap("raw/p", b"0", None)
    tag = getattr(store.read("raw/p"), "etag", None)
    together, won = threading.Barrier(8), []

    def race(number: int) -> None:
        together.wait()
        if store.swap("raw/p", str(number).encode(), tag):
            won.append(number)

    threads = [threading.Thread(target=race, args=[n]) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert getattr(store.read("raw/p"), "data", None) == str(won[0]).encode()


def test_entries_are_in_the_order_of_their_paths_and_within_the_folder(store: Store) -> None:
    names = ["raw/a/1", "raw/a-b/1", "raw/a/b/2", "raw/a.b/1", "raw/ab/1", "curated/a/1"]
    for name in names:
        write(store, name, name.encode())
    store.swap("raw/a/_current.json", b"{}", None)

    assert paths(store, "raw/") == sorted([*names[:-1], "raw/a/_current.json"])
    assert paths(store, "raw/a/") == ["raw/a/1", "raw/a/_current.json", "raw/a/b/2"]


def test_an_entry_tells_size_and_time(store: Store) -> None:
    write(store, "raw/a/1", b"12345")

    (entry,) = store.entries("raw/")

    assert entry.bytes == 5
    assert abs(entry.modified - datetime.now(UTC)) < timedelta(minutes=5)
    assert entry.modified.tzinfo is not None


def test_what_is_deleted_is_gone(store: Store) -> None:
    write(store, "raw/a/1")
    write(store, "raw/a/2")

    store.delete("raw/a/1")

    assert paths(store, "raw/") == ["raw/a/2"]
    write(store, "raw/a/1", b"again")
    assert getattr(store.read("raw/a/1"), "data", None) == b"again"
