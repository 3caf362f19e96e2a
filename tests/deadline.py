"""Waiting for what happens elsewhere: polled, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")


def until(condition: Callable[[], _Found], seconds: float, every: float = 0.1) -> _Found:
    """What `condition` returns once that is true. Raises AssertionError with its last answer after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last: {found!r}"
        time.sleep(every)
    return found
