"""A file to write to that uploads its blocks while it is written, several at once, in bounded memory."""

import io
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from typing_extensions import Buffer

BLOCK = 8 << 20  # bytes; 50,000 of them, the most of a blob, are 390 GiB
AT_ONCE = 4

Stage = Callable[[str, bytes], None]


class BlockUpload(io.RawIOBase):
    """`stage` uploads one block under an id, which the service keeps unseen until they are committed.

    At most six blocks are in memory: four on their way, one that waits for them, one that is being filled."""

    def __init__(self, stage: Stage, block: int = BLOCK, at_once: int = AT_ONCE) -> None:
        super().__init__()
        self._stage = stage
        self._block = block
        self._pool = ThreadPoolExecutor(at_once, "lake-upload")
        self._free = threading.Semaphore(at_once + 1)
        self._filling = bytearray()
        self._sent: list[tuple[str, Future[None]]] = []
        self._failure: BaseException | None = None
        self._position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._filling.clear()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Buffer, /) -> int:
        """Raises what the upload of an earlier block raised."""
        self.check()
        with memoryview(data) as view:
            size = view.nbytes
            self._filling += view
        self._position += size
        while len(self._filling) >= self._block:
            self._send(self._block)
        return size

    def check(self) -> None:
        if self._failure:
            raise self._failure

    def finish(self) -> tuple[list[str], bytes]:
        """The ids of the staged blocks in order, once all have arrived. Of less than one block: none, and the bytes."""
        if not self._sent:
            return [], bytes(self._filling)
        if self._filling:
            self._send(len(self._filling))
        for _, sent in self._sent:
            sent.result()
        return [name for name, _ in self._sent], b""

    def _send(self, size: int) -> None:
        self._free.acquire()
        name = b64encode(f"{len(self._sent):08d}".encode()).decode()
        block = bytes(memoryview(self._filling)[:size])
        del self._filling[:size]
        sent = self._pool.submit(self._stage, name, block)
        self._sent.append((name, sent))
        sent.add_done_callback(self._arrived)

    def _arrived(self, sent: Future[None]) -> None:
        if not sent.cancelled() and (failure := sent.exception()):
            self._failure = failure
        self._free.release()
