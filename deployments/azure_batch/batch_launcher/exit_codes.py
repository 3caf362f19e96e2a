"""Why the launcher does not start its command, as the exit code that tells it to Batch and to the worker."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The table in launcher.py says what each one means for the flow run."""

    NOTHING_TO_EXECUTE = 0
    EXECUTING_ELSEWHERE = 80
    SECOND_EXECUTION = 81
    CONFIGURATION = 82
    SECRET_REFUSED = 83
    VAULT_UNAVAILABLE = 84
    API_REFUSED = 85
    API_UNAVAILABLE = 86
    NOT_EXECUTABLE = 126  # as shells have it
    NOT_FOUND = 127


class Refusal(Exception):  # noqa: N818 - not always an error: a run that has ended is not executed either
    """The command is not started; the message says why, and what to do. Secrets are redacted when it is printed."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
