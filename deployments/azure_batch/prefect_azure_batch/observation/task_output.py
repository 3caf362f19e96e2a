"""What a task printed: shown in the logs of its run while it runs, and its last lines when it has failed."""

import codecs
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from prefect.settings import get_current_settings

from prefect_azure_batch.observation.observed_task import ObservedTask
from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.errors import AzureBatchError

if TYPE_CHECKING:
    from prefect.logging.loggers import PrefectLogAdapter

_FILES = ("stdout.txt", "stderr.txt")
_PIECE = 256 * 1024
# Of one file in one call while the task runs: others are to be served too.
_AT_ONCE = 2 * 1024 * 1024
_PATIENCE = 30.0  # seconds for each piece of the end, which is not asked for again
_TAIL = 8 * 1024
# What a log takes beside its message.
_RECORD = 1024
# Kept in `shown` beside the bytes of each file: its size, once known; and that the end was dealt with.
_SIZE = "size of {}"
_OVER = "over"


async def show_output(service: BatchService, observed: ObservedTask, log: "PrefectLogAdapter") -> None:
    """Logs the whole lines that were printed since the last call, some megabytes at most. When the task has ended, all
    that is left, once, and in a line that something could not be read."""
    if observed.phase != "ended":
        for name in _FILES:
            with suppress(AzureBatchError):  # not there yet, or the service is busy: the next call reads it
                await _show(service, observed, log, name)
        return
    if observed.node is None or _OVER in observed.shown:
        return
    troubles = []
    for name in _FILES:
        try:
            await _show(service, observed, log, name)
        except AzureBatchError as error:
            if _code(error) not in {"FileNotFound", "404"} or name in observed.shown:  # one that never began has none
                missing = observed.shown.get(_SIZE.format(name), 0) - observed.shown.get(name, 0)
                troubles.append(f"{name} ({_code(error)}), {f'{missing} bytes or more' if missing else 'unknown'}")
    observed.shown[_OVER] = 1
    if troubles:
        log.warning("The end of the output could not be read, and is missing here: %s.", "; ".join(troubles))


async def _show(service: BatchService, observed: ObservedTask, log: "PrefectLogAdapter", name: str) -> None:
    job, task, ended = observed.infrastructure.job, observed.infrastructure.task, observed.phase == "ended"
    seconds = _PATIENCE if ended else 0
    longest = max(_RECORD, get_current_settings().logging.to_api.max_log_size - _RECORD)
    size = observed.shown[_SIZE.format(name)] = await service.file_size(job, task, name, seconds)
    begin, begun = observed.shown.setdefault(name, 0), b""
    end = size if ended else min(size, begin + _AT_ONCE)
    while (at := begin + len(begun)) < end:
        piece = await service.read_file(job, task, name, at, min(_PIECE, end - at), seconds)
        if not piece:  # it became shorter
            return
        text = begun + piece
        ready = text if ended and at + len(piece) >= size else _ready(text, longest)
        for line in ready.decode(errors="replace").splitlines():
            for part in _parts(line, longest):
                log.log(logging.INFO, "%s", part, extra={"output": name})
        begun = text[len(ready) :]
        begin = observed.shown[name] = begin + len(ready)


def _ready(text: bytes, longest: int) -> bytes:
    """Its whole lines; of a line that is longer than a log may be, its whole characters."""
    lines = text[: text.rfind(b"\n") + 1]
    if lines or len(text) < longest:
        return lines
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder.decode(text)
    return text[: len(text) - len(decoder.getstate()[0])]


def _parts(line: str, longest: int) -> Iterator[str]:
    """Of at most `longest` bytes as JSON each."""
    if 6 * len(line) <= longest or len(json.dumps(line, ensure_ascii=False).encode()) <= longest:
        yield line
        return
    middle = len(line) // 2
    yield from _parts(line[:middle], longest)
    yield from _parts(line[middle:], longest)


async def last_lines(service: BatchService, observed: ObservedTask, count: int) -> str:
    """Those of stderr, or of stdout where nothing was written to stderr; why there are none, where there are none."""
    if observed.node is None:
        return ""
    job, task, trouble = observed.infrastructure.job, observed.infrastructure.task, ""
    for name in reversed(_FILES):
        try:
            size = await service.file_size(job, task, name, seconds=10)
            text = await service.read_file(job, task, name, max(0, size - _TAIL), _TAIL, seconds=10) if size else b""
        except AzureBatchError as error:
            trouble = trouble or _code(error)
            continue
        if lines := text.decode(errors="replace").strip().splitlines():
            return f"Last lines of {name}:\n" + "\n".join(lines[-count:])
    return f"Its output could not be read ({trouble})." if trouble else "It printed nothing."


def _code(error: AzureBatchError) -> str:
    """The service's, or its answer's status: an answer about a file often has no words that could say why."""
    kinds = (error.__cause__, error)
    told = [getattr(kind, name, "") for name in ("code", "status") for kind in kinds]
    return str(next(filter(None, told), "no answer"))
