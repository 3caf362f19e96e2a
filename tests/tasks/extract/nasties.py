"""What a source may answer for one code, to harm the others: by name, the bytes on the wire."""

import gzip
import json
import zlib

from tests.tasks.extract.scripted import answer

DEEP = 50_000
_BAR = {"date": "2024-06-03", "open": 1, "high": 1, "low": 1, "close": 1, "adjusted_close": 1, "volume": 1}
_SOUND = json.dumps([_BAR])


def _with(extra: str) -> bytes:
    return f'{_SOUND[:-2]}, "extra": {extra}}}]'.encode()


def _bomb(size: int) -> bytes:
    """So many bytes of zeros, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    block = bytes(1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(size >> 20)), packer.flush()])


NASTIES: dict[str, bytes] = {
    "a date beyond the calendar": answer(429, Retry_After="Fri, 31 Dec 9999 23:59:59 -2359"),
    "a year of five digits": answer(429, Retry_After="Fri, 31 Dec 99999 23:59:59 GMT"),
    "a wait without end": answer(429, Retry_After="9" * 400),
    "a wait of an hour": answer(503, Retry_After="3600"),
    "a status line that is not UTF-8": b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 2\r\n\r\n[]",
    "a status beyond all": b"HTTP/1.1 99999 OK\r\nContent-Length: 2\r\n\r\n[]",
    "a header that is not UTF-8": b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n[]",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
    "a chunk of no size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
    "no HTTP": b"\x00\x01\x02\r\n\r\n",
    "nested lists": answer(200, b"[" * DEEP + b"]" * DEEP),
    "nested in a field that nobody reads": answer(200, _with("[" * DEEP + "]" * DEEP)),
    "nested behind brackets in a text": answer(200, _with('"' + "]" * DEEP + '\\"", "b": ' + "[" * DEEP + "]" * DEEP)),
    "nested just below the depth that Python has": answer(200, _with("[" * 900 + "]" * 900)),
    "an escape that is none, in a field that nobody reads": answer(200, _with('"\\x"')),
    "half a surrogate": answer(200, _with('"\\ud800"')),
    "a number beyond all": answer(200, _with("1" + "0" * 5000)),
    "an exponent beyond all": answer(200, _with("1e999999999")),
    "a price beyond all": answer(200, _SOUND.replace('"close": 1', '"close": 1e400').encode()),
    "control characters": answer(200, _with('"a\x00b"')),
    "a field twice": answer(200, _with('1, "date": "2024-06-04"')),
    "no JSON": answer(200, b"<html>"),
    "bytes that are no UTF-8": answer(200, b"[\xff\xfe]"),
    "null": answer(200, b"null"),
    "a list of null": answer(200, b"[null]"),
    "a bar that is a number": answer(200, b"[7]"),
    "elsewhere": answer(302, b"", Location="http://127.0.0.1:1/\xff"),
    "forbidden": answer(403, b"not this one"),
    "400 MB behind gzip": answer(200, _bomb(400 << 20), Content_Encoding="gzip"),
    "gzip in gzip": answer(200, gzip.compress(_bomb(400 << 20)), Content_Encoding="gzip, gzip"),
    "gzip that is cut": answer(200, gzip.compress(_SOUND.encode())[:-9], Content_Encoding="gzip"),
    "packed as nobody asked": answer(200, b"x", Content_Encoding="br"),
    "3 GB": answer(200, b"[]").replace(b"Content-Length: 2", b"Content-Length: 3000000000"),
}
