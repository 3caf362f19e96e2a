"""Bodies of answers, of which a source decides neither how much memory they take nor how deep they are nested."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack

import numpy as np

from tasks.errors import ContractError

_BLOCK = 1 << 20  # bytes
_LARGE = 4 << 20  # bytes, from which on a body is read alone
_ESCAPES = re.compile(rb"\\.", re.DOTALL)  # stand in texts only
_QUOTE = ord('"')
_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[[ord("["), ord("{")]], _STEPS[[ord("]"), ord("}")]] = 1, -1
_GZIP_OR_ZLIB, _DEFLATE = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class DecodingError(ValueError):
    """What was packed cannot be unpacked."""


async def read_body(chunks: AsyncIterable[bytes], encoding: str, most_bytes: int, large: asyncio.Lock) -> bytes | None:
    """The body, unpacked as its content-encoding says; None for one of more bytes, packed or unpacked.

    Large ones are read one after the other, each under the lock: there may be as many as connections. Raises
    DecodingError for what cannot be unpacked, or was packed in a way that was not asked for."""
    blocks: list[bytes] = []
    size = 0
    bounded = _bounded(chunks, most_bytes)
    async with AsyncExitStack() as alone:
        async for block in _unpacked(bounded, encoding) if encoding not in ("", "identity") else bounded:
            if size <= _LARGE < size + len(block):
                await alone.enter_async_context(large)
            size += len(block)
            if size > most_bytes:
                return None
            blocks.append(block)
        return b"".join(blocks)


def check_depth(body: bytes, most: int) -> None:
    """Raises ContractError for JSON that is nested deeper: some parsers die of that, and take the process along."""
    if body.count(b"[") + body.count(b"{") <= most:
        return
    depth, in_text, open_escape = 0, False, b""
    for start in range(0, len(body), _BLOCK):
        block = open_escape + body[start : start + _BLOCK]
        plain = _ESCAPES.sub(b"", block)
        plain, open_escape = (plain[:-1], b"\\") if plain.endswith(b"\\") else (plain, b"")
        signs = np.frombuffer(plain, dtype=np.uint8)
        texts = np.logical_xor.accumulate(np.concatenate(([in_text], signs == _QUOTE)))[1:]
        steps = _STEPS[signs]
        steps[texts] = 0
        depths = depth + np.cumsum(steps, dtype=np.int64)
        if depths.max(initial=0) > most:
            raise ContractError(f"JSON that is nested more than {most} levels deep: ETL_SOURCE_JSON_DEPTH.")
        depth, in_text = (int(depths[-1]), bool(texts[-1])) if signs.size else (depth, in_text)


async def _bounded(chunks: AsyncIterable[bytes], most_bytes: int) -> AsyncIterator[bytes]:
    """The chunks, and of those beyond so many bytes the first."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        yield chunk
        if size > most_bytes:
            return


async def _unpacked(chunks: AsyncIterable[bytes], encoding: str) -> AsyncIterator[bytes]:
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise DecodingError(f"content-encoding {encoding[:40]} was not asked for")
    unpacker = None
    async for chunk in chunks:
        unpacker = unpacker or zlib.decompressobj(_GZIP_OR_ZLIB if _has_header(encoding, chunk) else _DEFLATE)
        rest = chunk
        while rest and not unpacker.eof:
            try:
                block = unpacker.decompress(rest, _BLOCK)
            except zlib.error as error:
                raise DecodingError(str(error)) from None
            yield block
            rest = unpacker.unconsumed_tail
    if unpacker and not unpacker.eof:
        raise DecodingError("what was packed ends too early")


def _has_header(encoding: str, first: bytes) -> bool:
    """Some send what is deflated without the header that HTTP asks for (RFC 9110, 8.4.1.2)."""
    return encoding != "deflate" or (len(first) > 1 and int.from_bytes(first[:2], "big") % 31 == 0)
