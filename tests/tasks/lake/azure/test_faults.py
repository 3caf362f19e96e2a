"""What a lake in Blob Storage does about a service that is busy, slow, or lost on the way. The proxy is in between."""

from typing import BinaryIO

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.errors import FatalError, TransientError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.lake.azure.calls import Patience
from tests.servers.azurite import Azurite
from tests.servers.fault_proxy import Fault, Request, at_rate, fault_proxy, once
from tests.tasks.lake.azure.lakes import SHORT, lake_in, store_in
from tests.tasks.lake.examples import READINGS, change, readings

HASTY = Patience(attempts=10, wait=0.01, longest_wait=0.05, timeout=0.5)
MEBIBYTE = 1 << 20


def publish(lake: Lake, rows: pl.DataFrame) -> None:
    lake.update(READINGS, "year=2024", lambda _: change(rows), "run")


def is_swap(request: Request) -> bool:
    return request.method == "PUT" and request.target.endswith("/_current.json")


def is_put(request: Request, body: bytes) -> bool:
    return request.method == "PUT" and request.body == body


def is_commit(request: Request) -> bool:
    return request.method == "PUT" and "comp=blocklist" in request.target


def is_small_file(request: Request) -> bool:
    return request.method == "PUT" and request.target.endswith(".parquet")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_third_of_all_requests_failing_changes_nothing(azurite: Azurite, seed: int) -> None:
    account = azurite.account()
    rule = at_rate(0.33, seed, [Fault.BUSY, Fault.RESET, Fault.LOST, Fault.CUT])
    patient = Patience(attempts=16, wait=0.01, longest_wait=0.05, timeout=20)
    with fault_proxy(account.url, rule) as proxy:
        lake = lake_in(account, proxy.url, patient)
        for rows in (readings(float(value)) for value in range(8)):
            publish(lake, rows)
        (current,) = lake.partitions(READINGS)
        found = lake.read(READINGS, [current]).collect()

    assert_frame_equal(found, readings(7.0))
    assert {fault for _, fault in proxy.broken} == {Fault.BUSY, Fault.RESET, Fault.LOST, Fault.CUT}
    # Nothing was published twice, and no file is left of an attempt that did not count.
    assert len(lake_in(account).find(READINGS, "year=2024", current.snapshot)) == 1
    assert len(list(store_in(account).entries("curated/readings/"))) == 8 + 1


def test_blocks_that_are_lost_on_the_way_are_sent_again(azurite: Azurite) -> None:
    account, data = azurite.account(), bytes(range(256)) * (30 * MEBIBYTE // 256)
    rule = at_rate(0.4, 5, [Fault.BUSY, Fault.RESET, Fault.LOST])
    with fault_proxy(account.url, rule) as proxy:
        with store_in(account, proxy.url, Patience(16, 0.01, 0.05, 20)).create("raw/a/part") as file:
            file.write(data)
        stored = store_in(account, proxy.url).read("raw/a/part")

    assert stored is not None
    assert stored.data == data
    assert proxy.broken


def test_answers_that_never_come_are_asked_for_again(azurite: Azurite) -> None:
    account = azurite.account()
    with fault_proxy(account.url, at_rate(0.25, 2, [Fault.SILENT])) as proxy:
        lake = lake_in(account, proxy.url, HASTY)
        publish(lake, readings(1.0))
        found = lake.read(READINGS, lake.partitions(READINGS)).collect()

    assert_frame_equal(found, readings(1.0))
    assert proxy.count(Fault.SILENT) >= 2


@pytest.mark.parametrize("before", [[], [1.0]])
def test_a_swap_whose_answer_was_lost_has_happened_once(azurite: Azurite, before: list[float]) -> None:
    account = azurite.account()
    for value in before:
        publish(lake_in(account), readings(value))
    made: list[pl.DataFrame] = []

    def make(_: SnapshotRef | None) -> Change:
        made.append(readings(2.0))
        return change(made[-1])

    with fault_proxy(account.url, once(Fault.LOST, is_swap)) as proxy:
        written = lake_in(account, proxy.url).update(READINGS, "year=2024", make, "run")

    assert proxy.count(Fault.LOST) == 1
    assert len(made) == 1
    assert lake_in(account).current(READINGS, "year=2024") == written


def test_a_swap_whose_answer_was_lost_counts_even_if_others_came_after(azurite: Azurite) -> None:
    account = azurite.account()
    direct = store_in(account)
    direct.swap("raw/p", b"0", None)

    def lose_and_let_another_in(request: Request) -> Fault | None:
        if not is_put(request, b"mine"):
            return None
        if not proxy.broken:
            return Fault.LOST
        # The second try: by now somebody has read what the first one wrote, and built on it.
        stored = direct.read("raw/p")
        assert stored is not None
        assert direct.swap("raw/p", stored.data + b" and theirs", stored.etag)
        return None

    with fault_proxy(account.url, lose_and_let_another_in) as proxy:
        store = store_in(account, proxy.url)
        stored = store.read("raw/p")
        assert stored is not None
        assert store.swap("raw/p", b"mine", stored.etag)

    assert getattr(direct.read("raw/p"), "data", None) == b"mine and theirs"


def test_a_swap_that_did_not_happen_is_lost_to_the_other(azurite: Azurite) -> None:
    account = azurite.account()
    direct = store_in(account)
    direct.swap("raw/p", b"0", None)

    def reset_and_let_another_in(request: Request) -> Fault | None:
        if not is_put(request, b"mine") or proxy.broken:
            return None
        stored = direct.read("raw/p")
        assert stored is not None
        direct.swap("raw/p", b"theirs", stored.etag)
        return Fault.RESET

    with fault_proxy(account.url, reset_and_let_another_in) as proxy:
        store = store_in(account, proxy.url)
        stored = store.read("raw/p")
        assert stored is not None
        assert not store.swap("raw/p", b"mine", stored.etag)

    assert getattr(direct.read("raw/p"), "data", None) == b"theirs"


@pytest.mark.parametrize("size", [10, 9 * MEBIBYTE])
def test_a_file_whose_last_answer_was_lost_is_there_once(azurite: Azurite, size: int) -> None:
    account, data = azurite.account(), b"x" * size
    last = is_commit if size > MEBIBYTE else is_small_file
    with (
        fault_proxy(account.url, once(Fault.LOST, last)) as proxy,
        store_in(account, proxy.url).create("raw/a/part.parquet") as file,
    ):
        file.write(data)

    assert proxy.count(Fault.LOST) == 1
    assert getattr(store_in(account).read("raw/a/part.parquet"), "data", None) == data


@pytest.mark.parametrize("size", [10, 9 * MEBIBYTE])
def test_a_file_that_another_wrote_first_is_not_taken_for_ones_own(azurite: Azurite, size: int) -> None:
    account = azurite.account()

    def write(data: bytes) -> None:
        with store_in(account).create("raw/a/part.parquet") as file:
            file.write(data)

    write(b"theirs")
    with pytest.raises(FatalError, match="already"):
        write(b"x" * size)
    assert getattr(store_in(account).read("raw/a/part.parquet"), "data", None) == b"theirs"


def test_a_service_that_stays_busy_is_given_up(azurite: Azurite) -> None:
    account = azurite.account()
    with fault_proxy(account.url, lambda _: Fault.BUSY) as proxy:
        lake = lake_in(account, proxy.url)
        with pytest.raises(TransientError, match=r"_current\.json in the lake .* was answered 503 ServerBusy"):
            publish(lake, readings(1.0))
    assert len(proxy.seen) == SHORT.attempts


def write_like_polars(file: BinaryIO) -> None:
    """Its error quotes the one of the file, and is of its own type."""
    try:
        while True:
            file.write(bytes(MEBIBYTE))
    except TransientError as error:
        raise pl.exceptions.ComputeError(f"parquet: underlying IO error: {error}") from None


def test_an_upload_that_fails_says_so_in_our_words(azurite: Azurite) -> None:
    account = azurite.account()
    with fault_proxy(account.url, lambda r: Fault.BUSY if "comp=block" in r.target else None) as proxy:
        store = store_in(account, proxy.url, Patience(2, 0.01, 0.05, 20))
        with pytest.raises(TransientError, match="Uploading a block of raw/a/part"), store.create("raw/a/part") as file:
            write_like_polars(file)
    assert list(store_in(account).entries("raw/")) == []
