"""How a worker ends: at SIGTERM, whatever SIGINT does, and within a bounded time. Its tasks in Azure Batch go on."""

import asyncio
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from prefect.logging.loggers import get_logger

CLOSING_SECONDS = 30  # for all that a worker keeps open
_TIMES, _SECONDS = 10, 1.0  # that a task is cancelled, and between two of them
_logger = get_logger("workers.azure_batch")


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """The first SIGTERM cancels the task in here, and the next ends the process at once.

    Prefect only sends itself SIGINT instead, which is ignored by whatever a script has started with `&`: the shell does
    so, and neither asyncio nor Prefect changes it.
    """
    task = asyncio.current_task()
    if task is None or sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)

    def end() -> None:
        _logger.info("SIGTERM: takes no more runs and ends. Its tasks in Azure Batch go on, for another worker.")
        loop.remove_signal_handler(signal.SIGTERM)
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


async def cancelled(tasks: "Iterable[asyncio.Future[Any]]", seconds: float = _SECONDS) -> None:
    """Returns when they have ended. One that does not is cancelled again after so many seconds, and left in the end.

    For a cancellation can be lost: `asyncio.gather` raises the error of one of its tasks in its place, where that came
    first, and so does a library that takes it for a fault of its own.
    """
    left = {task for task in tasks if not task.done()}
    for _ in range(_TIMES):
        if not left:
            return
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=seconds)
    for task in left:
        _logger.warning("Does not wait any longer for the end of %s", task)
