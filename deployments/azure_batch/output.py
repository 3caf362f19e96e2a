"""What a task printed: shown in the logs of its run while it runs, and its last lines when it has failed."""

import logging
from typing import TYPE_CHECKING

from deployments.azure_batch.client import BatchService
from deployments.azure_batch.errors import AzureBatchError
from deployments.azure_batch.watch import Watch

if TYPE_CHECKING:
    from prefect.logging.loggers import PrefectLogAdapter

_FILES = ("stdout.txt", "stderr.txt")
_PIECE = 256 * 1024
_TAIL = 8 * 1024


async def show_output(service: BatchService, watch: Watch, log: "PrefectLogAdapter") -> None:
    """Logs the whole lines that were printed since the last call; the rest of a line, when the task has ended."""
    for name in _FILES:
        try:
            begin = watch.shown.get(name, 0)
            piece = await service.read_file(watch.place.job, watch.place.task, name, begin, _PIECE)
        except AzureBatchError:  # not there yet, no longer there, or the service is busy: the next call reads it
            continue
        whole = piece if watch.phase == "ended" or len(piece) == _PIECE else piece[: piece.rfind(b"\n") + 1]
        watch.shown[name] = begin + len(whole)
        for line in whole.decode(errors="replace").splitlines():
            log.log(logging.INFO, "%s", line, extra={"output": name})


async def last_lines(service: BatchService, watch: Watch, count: int) -> str:
    """Of stderr, or of stdout where nothing was written to stderr; why there are none, where there are none."""
    if watch.node is None:
        return ""
    trouble = ""
    for name in reversed(_FILES):
        try:
            size = await service.file_size(watch.place.job, watch.place.task, name, seconds=10)
            begin = max(0, size - _TAIL)
            place = watch.place
            text = await service.read_file(place.job, place.task, name, begin, _TAIL, seconds=10) if size else b""
        except AzureBatchError as error:
            trouble = trouble or str(getattr(error.__cause__, "code", "") or getattr(error, "code", "") or "no answer")
            continue
        if lines := text.decode(errors="replace").strip().splitlines():
            return f"Last lines of {name}:\n" + "\n".join(lines[-count:])
    return f"Its output could not be read ({trouble})." if trouble else "It printed nothing."
