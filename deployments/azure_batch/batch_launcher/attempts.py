"""The attempts of a flow run: each begins when the run becomes Pending, and has a Batch task of its own.

Both sides count them: the worker, which names the task, and the launcher in it.
"""

import re
from collections.abc import Iterable
from uuid import UUID

LABEL = "azure-batch.execution"  # of a run: where it was last begun
_TASK = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d+)", re.IGNORECASE)


def present_attempt(states: Iterable[tuple[str, str]]) -> int:
    """Of a run that has been in these states, by type and name. At least 1.

    Being taken from the queue makes it Pending, and only that: a reason to wait, or who submits it, has other names.
    """
    return max(1, sum(state == ("PENDING", "Pending") for state in states))


def parse_task_id(text: str) -> tuple[UUID, int] | None:
    """The flow run and its attempt; None for a task that a work pool has not made."""
    match = _TASK.fullmatch(text)
    return (UUID(match[1]), int(match[2])) if match else None
