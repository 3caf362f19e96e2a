"""What a program complains of in its log: found whole, as it comes, once per kind."""

from pathlib import Path

import pytest

from deployments.local.errors_told import Log, complaints

SCHEDULER = """\
12:00:00.123 | ERROR   | prefect.server.services.scheduler - Unexpected error in run 17
Traceback (most recent call last):
  File "scheduler.py", line 7, in run
    raise InvalidRequestError
sqlalchemy.exc.InvalidRequestError: Can't evaluate bulk DML statement
(Background on this error at: https://sqlalche.me/e/21/xxxx)
"""
PASSING = """\
12:00:00.123 | ERROR   | prefect.server.utilities.worker_channel - Worker channel heartbeat persistence failed: etl
Traceback (most recent call last):
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked
"""
FINE = "12:00:01.000 | INFO    | prefect.server - all is well, 0 errors\n"


@pytest.mark.parametrize(
    "text",
    [
        SCHEDULER,
        FINE + SCHEDULER + FINE,
        "ERROR:    Exception in ASGI application\n",
        "2026-03-01 10:00:00.000 UTC [77] FATAL:  the database system is starting up\n",
        "[2026-03-01] CRITICAL worker: gone\n",
        'Traceback (most recent call last):\n  File "x", line 1\nKeyError: 1\n',
        "  + Exception Group Traceback (most recent call last):\n  |   File\n  | ExceptionGroup: two (2)\n",
    ],
)
def test_an_error_is_found_once(text: str) -> None:
    assert len(list(complaints(text.splitlines()))) == 1


@pytest.mark.parametrize(
    "text", [FINE, PASSING, "WARNING:  retried after ERRORS_ALLOWED\n", "GET /errors/ERROR_LOG 200\n", ""]
)
def test_what_is_none_is_not(text: str) -> None:
    assert list(complaints(text.splitlines())) == []


def test_it_names_the_exception() -> None:
    (found,) = complaints(SCHEDULER.splitlines())
    assert str(found).endswith("\n    sqlalchemy.exc.InvalidRequestError: Can't evaluate bulk DML statement")


def test_a_log_is_read_as_it_grows_and_tells_each_kind_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "server.log")
    assert log.news() == []
    log.path.write_text(FINE)
    assert log.news() == []
    for part in (SCHEDULER[:150], SCHEDULER[150:]):  # in the middle of the traceback
        with log.path.open("a") as file:
            file.write(part)
        assert log.news() == []
    assert [complaint.said for complaint in log.news()] == [SCHEDULER.splitlines()[0]]
    with log.path.open("a") as file:
        file.write(SCHEDULER.replace("12:00:00.123", "12:01:00.456").replace("17", "18") + "ERROR: another\n")
    log.news()
    assert [complaint.said for complaint in log.news()] == ["ERROR: another"]
    assert log.news() == []
