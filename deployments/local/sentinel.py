"""Ends the children of a stack that was killed itself, and so could not. It is a process of its own.

python sentinel.py        reads `PROCESS SIGNAL` lines, one for each child, until the stack's end closes the pipe
"""

import os
import signal
import sys


def main() -> None:
    """The last child first, each with its whole group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children = [line.split() for line in sys.stdin]
    for process, number in reversed(children):
        end_group(int(process), int(number))


def end_group(leader: int, number: int) -> None:
    """Sends the signal to all of a process group, if it is still there. On Windows there is none."""
    if sys.platform != "win32":
        try:
            os.killpg(leader, number)
        except (ProcessLookupError, PermissionError):  # a Mac says the second of a group of zombies
            return


if __name__ == "__main__":
    main()
