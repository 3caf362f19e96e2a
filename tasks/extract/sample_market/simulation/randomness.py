"""Draws that depend on nothing but what they are for: the same on every machine, in any order, for any part of a range.

Keys come from BLAKE2b and series from SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
generators, 2014), both exact integer arithmetic. Floats are made of them with + - * / alone, which IEEE 754 rounds the
same everywhere; exp and log are not used, because their last digit depends on the machine's library.
"""

import hashlib
import struct

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def key(*parts: object) -> int:
    """64 bits for what the parts name, such as a seed, a purpose and a code."""
    return int.from_bytes(_digest(parts, 8), "little")


def units(count: int, *parts: object) -> tuple[float, ...]:
    """So many draws from [0, 1), at most 16."""
    words = struct.unpack(f"<{count}I", _digest(parts, 4 * count))
    return tuple(w / 2**32 for w in words)


def unit(*parts: object) -> float:
    return units(1, *parts)[0]


def series(stream: int, counters: Integers) -> Bits:
    """64 bits for each counter (here: days since 1970), of the stream with that key."""
    x = counters.astype(np.uint64)
    x *= _GOLDEN
    x += np.uint64(stream)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def bell(bits: Bits) -> Floats:
    """Near-normal draws of mean 0 and deviation 1: the sum of four uniform ones of 16 bits, so none is beyond 3.47."""
    # Two sums of 32 bits in one number, then their sum.
    pairs = bits & _LOW_OF_PAIRS
    pairs += (bits >> np.uint64(16)) & _LOW_OF_PAIRS
    total = (pairs >> np.uint64(32)) + (pairs & np.uint64(0xFFFFFFFF))
    return (total.astype(np.float64) / 65535.0 - 2.0) * 1.7320508075688772


def fields(bits: Bits) -> Floats:
    """Four independent draws from [0, 1) of each number, of 16 bits each: four rows."""
    return ((bits >> _SHIFTS) & _LOW).astype(np.float64) / 65536.0


def fractions(bits: Bits) -> Floats:
    """One draw from [0, 1) of each number, of all its bits."""
    return (bits >> np.uint64(11)).astype(np.float64) / 2.0**53


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LOW = np.uint64(0xFFFF)
_SHIFTS = np.array([[0], [16], [32], [48]], dtype=np.uint64)
_LOW_OF_PAIRS = np.uint64(0x0000FFFF0000FFFF)


def _digest(parts: tuple[object, ...], size: int) -> bytes:
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=size).digest()
