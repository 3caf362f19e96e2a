"""A file that uploads while it is written: in order, several blocks at once, and few in memory."""

import threading
from collections.abc import Callable

import pytest

from tasks.lake.azure.upload import BlockUpload

PATIENCE = 30  # seconds for another thread to get where it must


class Service:
    """Takes blocks when `open` says so, and remembers how many came at once."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}
        self.open = threading.Event()
        self.open.set()
        self.most = 0
        self._lock = threading.Lock()
        self._now = 0

    def stage(self, name: str, block: bytes) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        assert self.open.wait(PATIENCE)
        with self._lock:
            self._now -= 1
            self.blocks[name] = block

    def joined(self, names: list[str]) -> bytes:
        return b"".join(self.blocks[name] for name in names)


def test_blocks_come_out_as_the_bytes_went_in() -> None:
    service, data = Service(), bytes(range(256)) * 41
    with BlockUpload(service.stage, block=1000) as file:
        for start in range(0, len(data), 333):
            assert file.write(data[start : start + 333]) == len(data[start : start + 333])
        assert file.tell() == len(data)
        names, rest = file.finish()

    assert service.joined(names) == data
    assert rest == b""
    assert {len(b) for b in service.blocks.values()} == {1000, len(data) % 1000}
    assert len({len(n) for n in names}) == 1  # the service wants ids of one length


def test_what_fits_into_one_block_is_not_staged() -> None:
    service = Service()
    with BlockUpload(service.stage, block=1000) as file:
        file.write(memoryview(b"abc"))
        assert file.finish() == ([], b"abc")
    assert service.blocks == {}


def test_a_writer_waits_when_the_blocks_in_memory_are_enough() -> None:
    service = Service()
    service.open.clear()
    with BlockUpload(service.stage, block=10, at_once=4) as file:
        written = threading.Thread(target=lambda: [file.write(b"x" * 10) for _ in range(8)])
        written.start()
        until(lambda: file.tell() >= 50 and service.most == 4)
        written.join(0.2)
        assert written.is_alive()
        assert file.tell() <= 60  # four on their way, one that waits, one that is being written
        service.open.set()
        written.join(PATIENCE)
        assert file.finish()[0]
    assert service.most == 4


def test_a_failed_block_is_told_to_whoever_writes_on() -> None:
    def refuse(name: str, block: bytes) -> None:
        raise ConnectionError(name)

    with BlockUpload(refuse, block=10) as file, pytest.raises(ConnectionError):
        until(lambda: file.write(b"x" * 10) == 0)


def test_a_failed_last_block_fails_the_file() -> None:
    def refuse(name: str, block: bytes) -> None:
        if len(block) < 10:
            raise ConnectionError(name)

    with BlockUpload(refuse, block=10) as file:
        file.write(b"x" * 15)
        with pytest.raises(ConnectionError):
            file.finish()


def until(met: Callable[[], bool]) -> None:
    ticks = threading.Event()
    for _ in range(PATIENCE * 100):
        if met():
            return
        ticks.wait(0.01)
    pytest.fail(f"not met in {PATIENCE} s")
