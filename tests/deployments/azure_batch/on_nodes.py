"""Flows that the tests execute as Batch tasks: each ends in a way of its own."""

import os
import signal
import sys
import time

from prefect import flow, get_run_logger


@flow
def hello(name: str = "world") -> str:
    get_run_logger().info("Hello, %s!", name)
    return name


@flow
def failing() -> None:
    raise ValueError("the rows do not add up")


@flow
def killed() -> None:
    """As the kernel does when memory is out: everything of the container is killed."""
    if sys.platform != "win32":  # a node is one of Linux
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


@flow
def vanishing() -> None:
    """Ends without a word to Prefect."""
    sys.stderr.write("the licence server has gone\n")
    sys.stderr.flush()
    os._exit(3)


@flow
def long(seconds: float = 300, marker: str = "") -> None:
    """Writes down that it runs, if asked to, and goes on for so long."""
    if marker:
        with open(marker, "a", encoding="utf-8") as file:  # noqa: PTH123 - in the working directory of a task
            file.write(f"{os.getpid()}\n")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.2)


@flow
def printing(seconds: float = 3) -> None:
    for line in range(3):
        print(f"line {line} of the output", flush=True)  # noqa: T201
        time.sleep(seconds / 3)


@flow
def stubborn(seconds: float = 300) -> None:
    """Does not end when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.2)
