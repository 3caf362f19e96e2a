"""What the programs of the stack complain of in their logs: for the terminal, as it comes, and for tests."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# As Prefect, Python's `logging`, uvicorn and PostgreSQL write them: a level in capitals near the begin of a line.
_ERROR = re.compile(
    r"^.{0,60}?(?<!\w)(ERROR|CRITICAL|FATAL|PANIC)(?!\w)|^[\s|+]*(Exception Group )?Traceback \(most recent call last\)"
)
_RECORD = re.compile(r"^\d|^(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")  # begins with a time or a level
_EXCEPTION = re.compile(r"^[\s|]*[A-Za-z_][\w.]*(Error|Exception|Group|Timeout|Exit)\b")
# Prefect on SQLite, which has one writer at a time: a client is answered 503 and asks again, a service writes at its
# next turn. https://github.com/PrefectHQ/prefect/issues/18934
_PASSING = re.compile(r"\(sqlite3\.OperationalError\) database is locked")
_VARIES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|\d+")


@dataclass(frozen=True)
class Complaint:
    """The line that is an error, and that of the exception where there was one."""

    said: str
    exception: str = ""

    @property
    def kind(self) -> str:
        """The same for those that differ in times, numbers and ids alone."""
        return _VARIES.sub("#", f"{self.said} {self.exception}")

    def __str__(self) -> str:
        return f"{self.said}\n    {self.exception}" if self.exception else self.said


@dataclass
class Log:
    """A file that another process writes."""

    path: Path
    _offset: int = 0
    _end: int = 0
    _kinds: set[str] = field(default_factory=set)

    def news(self) -> list[Complaint]:
        """What was complained of since this was asked before, each kind once for all."""
        found: dict[str, Complaint] = {}
        for complaint in complaints(self._added()):
            if complaint.kind not in self._kinds:
                found.setdefault(complaint.kind, complaint)
        self._kinds |= found.keys()
        return list(found.values())

    def _added(self) -> list[str]:
        """Whole records: the last one, of which more may come, only once the file has stopped to grow."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            lines = file.read().splitlines(keepends=True)
        grows, self._end = self._end, self._offset + sum(map(len, lines))
        if grows != self._end:
            begins = [n for n, line in enumerate(lines) if _RECORD.match(line.decode(errors="replace"))]
            lines = lines[: begins[-1]] if begins else []
        self._offset += sum(map(len, lines))
        return [line.decode(errors="replace").rstrip() for line in lines]


def complaints(lines: Iterable[str]) -> Iterator[Complaint]:
    """But for what is known to pass by itself."""
    record: list[str] = []
    for line in lines:
        if _RECORD.match(line) or (_ERROR.match(line) and not (record and _ERROR.match(record[0]))):
            yield from _complaint(record)
            record = []
        record.append(line)
    yield from _complaint(record)


def _complaint(record: list[str]) -> Iterator[Complaint]:
    if record and _ERROR.match(record[0]):
        raised = [line.strip(" |") for line in record[1:] if _EXCEPTION.match(line)]
        found = Complaint(record[0].strip(), raised[-1] if raised else "")
        if not _PASSING.search(found.exception):
            yield found
