"""What only a lake in Blob Storage has: containers, and blocks."""

import subprocess
import sys

from tasks.lake import open_lake
from tests.servers.azurite import Azurite, client
from tests.servers.fault_proxy import Fault, fault_proxy
from tests.tasks.lake.azure.lakes import lake_in, store_in
from tests.tasks.lake.examples import READINGS, change, readings

LARGE = 20 << 20  # bytes: three blocks
PART = "curated/readings/p/20240101T000000000000Z-0a1b2c3d/part-00000.parquet"


def test_each_state_is_a_container_made_when_it_is_missed(azurite: Azurite) -> None:
    account = azurite.account()
    store = store_in(account)
    with client(account) as service:
        assert list(service.list_containers()) == []
        assert store.read("raw/p") is None
        store.swap("raw/p", b"1", None)
        with store.create("landing/small") as file:
            file.write(b"1")
        with store.create("curated/large") as file:
            file.write(bytes(LARGE))
        assert sorted(c.name for c in service.list_containers()) == ["curated", "landing", "raw"]


def test_a_container_that_exists_is_no_obstacle(azurite: Azurite) -> None:
    account = azurite.account()
    with client(account) as service:
        service.create_container("raw")
    with store_in(account).create("raw/large") as file:
        file.write(bytes(LARGE))
    assert [e.bytes for e in store_in(account).entries("raw/")] == [LARGE]


def test_a_file_is_seen_when_its_last_block_is_there_and_not_before(azurite: Azurite) -> None:
    store = store_in(azurite.account())
    with store.create(PART) as file:
        file.write(bytes(LARGE))
        assert store.read(PART) is None
        assert list(store.entries("curated/")) == []

    stored = store.read(PART)
    assert stored is not None
    assert stored.data == bytes(LARGE)


def write_and_hang(url: str) -> None:
    """What the process does that is killed: its first blocks have arrived when it says so."""
    with open_lake(url).store.create(PART) as file:
        for _ in range(LARGE >> 18):
            file.write(bytes(1 << 20))
        sys.stdout.write("written\n")
        sys.stdout.flush()
        sys.stdin.readline()


def test_a_writer_killed_between_blocks_leaves_nothing_to_see_and_nothing_in_the_way(azurite: Azurite) -> None:
    url = azurite.empty_lake()
    lake = open_lake(url)
    published = lake.update(READINGS, "p", lambda _: change(readings(1.0)), "run")
    script = f"from {__name__} import write_and_hang; write_and_hang({url!r})"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "written\n"
        process.kill()

    assert lake.partitions(READINGS) == [published]
    assert len([e for e in lake.store.entries("curated/") if e.path.endswith(".parquet")]) == 1
    with lake.store.create(PART) as file:
        file.write(b"2" * LARGE)
    assert getattr(lake.store.read(PART), "data", None) == b"2" * LARGE


def test_pointers_are_read_at_once_and_told_in_their_order(azurite: Azurite) -> None:
    account = azurite.account()
    names = [f"p{n:02}" for n in range(24)]
    for name in names:
        lake_in(account).update(READINGS, name, lambda _: change(readings(1.0)), "run")
    with fault_proxy(account.url, lambda r: Fault.SLOW if r.target.endswith("/_current.json") else None) as proxy:
        found = lake_in(account, proxy.url).partitions(READINGS)

    assert [snapshot.partition for snapshot in found] == names
    assert proxy.count(Fault.SLOW) == len(names)
    assert proxy.slow_at_once >= 6  # of eight: one after the other it would be one
