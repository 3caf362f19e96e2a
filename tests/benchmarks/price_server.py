"""The smallest server that answers as a price API does, so that clients are measured and not the server.

`python -m tests.benchmarks.price_server ROWS` prints its port, and serves so many bars for any code.
"""

import asyncio
import sys
from datetime import date, timedelta

import msgspec

_BODIES = 50  # different ones, taken in turn


class _Connection(asyncio.Protocol):
    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._next = 0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            _, _, self._received = self._received.partition(b"\r\n\r\n")
            self._transport.write(self._answers[self._next % len(self._answers)])
            self._next += 1


def body(number: int, rows: int) -> bytes:
    first = date(2022, 1, 3)
    return msgspec.json.encode(
        [
            {
                "date": first + timedelta(days=day),
                "open": 177.83 + day / 100,
                "high": 182.88 + number / 100,
                "low": 177.71,
                "close": 182.01,
                "adjusted_close": 179.2736,
                "volume": 104_487_900 + day,
            }
            for day in range(rows)
        ]
    )


async def _serve(rows: int) -> None:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-RateLimit-Limit: 1000\r\nX-RateLimit-Remaining: 998\r\n"
    )
    bodies = [body(number, rows) for number in range(_BODIES)]
    answers = [f"{head}Content-Length: {len(b)}\r\n\r\n".encode() + b for b in bodies]
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(answers), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
