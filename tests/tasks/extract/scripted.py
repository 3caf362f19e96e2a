"""A server that sends exactly the bytes it is told to, and remembers what came when: for what no market answers."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

# Of a request's path and number, from 0; what is sent before a None, and then nothing more comes.
Script = Callable[[str, int], bytes | tuple[bytes, None]]


@dataclass
class Scripted:
    url: str = ""
    paths: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)  # by time.monotonic
    most_at_once: int = 0
    now: int = 0  # requests under way
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


def answer(status: int = 200, body: bytes = b"[]", **headers: str) -> bytes:
    """Headers with `_` for `-`."""
    lines = [f"HTTP/1.1 {status} {_phrase(status)}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    seen = Scripted()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while path := self._request():
                with seen.lock:
                    number = len(seen.paths)
                    seen.paths.append(path)
                    seen.moments.append(time.monotonic())
                    seen.now += 1
                    seen.most_at_once = max(seen.most_at_once, seen.now)
                told = script(path, number)
                with seen.lock:
                    seen.now -= 1
                self.wfile.write(told if isinstance(told, bytes) else told[0])
                if not isinstance(told, bytes):
                    seen.ended.wait()
                    return

        def _request(self) -> str:
            """The path, or nothing when the client is gone."""
            first = self.rfile.readline().decode("latin-1")
            while first and self.rfile.readline() not in {b"\r\n", b""}:
                pass
            return first.partition(" ")[2].partition(" ")[0]

    with _Server(("127.0.0.1", 0), Handler) as server:
        seen.url = f"http://127.0.0.1:{server.server_address[1]}/api"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            seen.ended.set()
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
