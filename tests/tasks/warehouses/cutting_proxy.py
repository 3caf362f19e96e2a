"""A TCP proxy in front of a database server that cuts a connection at a chosen moment of its talk."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s; a close then resets the connection


@dataclass
class CuttingProxy:
    port: int
    cuts: int = 0
    _sign: bytes | None = None
    _began: bool = False
    _bytes_more: int = 0
    _answered: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cut_at(self, sign: bytes, *, bytes_more: int = 0, answered: bool = False) -> None:
        """When the client next sends this: before the server sees it; so many bytes later; or instead of its answer."""
        with self._lock:
            self._sign, self._bytes_more, self._answered = sign, bytes_more, answered

    def client_sent(self, sent: bytes, seen: bytes) -> "_Verdict":
        """`seen` is what came before, and `sent` its end."""
        with self._lock:
            self._began |= self._sign is not None and self._sign in seen
            if not self._began:
                return _Verdict(sent)
            if self._bytes_more > 0:
                self._bytes_more -= len(sent)
                return _Verdict(sent)
            self._sign, self._began = None, False
            self.cuts += 1
            return _Verdict(sent, forget_answer=True) if self._answered else _Verdict(b"", cut=True)


@dataclass(frozen=True)
class _Verdict:
    forwarded: bytes
    cut: bool = False
    forget_answer: bool = False


@contextmanager
def cutting_proxy(server_port: int) -> Iterator[CuttingProxy]:
    """Runs on a free port of the loopback, in threads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CuttingProxy(listener.getsockname()[1])
        pairs: list[_Pair] = []
        thread = threading.Thread(target=_accept, args=(listener, server_port, proxy, pairs), name="cutting-proxy")
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for pair in pairs:
                pair.end()


def _accept(listener: socket.socket, server_port: int, proxy: CuttingProxy, pairs: list["_Pair"]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            pairs.append(_Pair(client, socket.create_connection(("127.0.0.1", server_port)), proxy))


class _Pair:
    def __init__(self, client: socket.socket, server: socket.socket, proxy: CuttingProxy) -> None:
        self._client, self._server, self._proxy = client, server, proxy
        self._forget_answer = False
        self._threads = [threading.Thread(target=work) for work in (self._to_server, self._to_client)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._close()
        for thread in self._threads:
            thread.join(10)

    def _to_server(self) -> None:
        seen = b""
        with suppress(OSError):
            while sent := self._client.recv(65536):
                seen = seen[-200:] + sent
                verdict = self._proxy.client_sent(sent, seen)
                self._forget_answer |= verdict.forget_answer
                if verdict.cut:
                    break
                self._server.sendall(verdict.forwarded)
        self._close()

    def _to_client(self) -> None:
        with suppress(OSError):
            while (answer := self._server.recv(65536)) and not self._forget_answer:
                self._client.sendall(answer)
        self._close()

    def _close(self) -> None:
        for side in (self._client, self._server):
            with suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                side.shutdown(socket.SHUT_RDWR)
            side.close()
