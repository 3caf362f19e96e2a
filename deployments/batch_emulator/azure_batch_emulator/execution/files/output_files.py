"""Files of a task that are uploaded to blob storage when it has ended, and the two logs about that."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from azure_batch_emulator.execution.executor import JsonObject, Launch, user_error
from azure_batch_emulator.execution.files.storage import Storage, without_signature

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

# The first is documented: https://learn.microsoft.com/azure/batch/batch-task-output-files#diagnose-file-upload-errors
_MESSAGES = {
    "FileUploadContainerNotFound": (
        "One of the specified Azure container(s) was not found while attempting to upload an output file"
    ),
    "FileUploadAccessDenied": (
        "Access to one of the specified Azure container(s) was denied while attempting to upload an output file"
    ),
    "FileUploadMiscError": "A miscellaneous error was encountered while attempting to upload an output file",
}
_REFUSED = {401, 403, 409}
_WILDCARD = re.compile(r"[*?\[]")


async def upload(launch: Launch, storage: Storage, *, succeeded: bool) -> JsonObject | None:
    """Uploads what the task's end asks for. The failureInfo of the first that failed, or None; there are no retries."""
    wanted = [file for file in launch.output_files if _applies(file, succeeded=succeeded)]
    if not wanted:
        return None
    with _Log(launch.directory) as log:
        for file in wanted:
            if failure := await _upload_one(file, launch, storage, log):
                return failure
    return None


class _Log:
    """fileuploadout.txt and fileuploaderr.txt."""

    def __init__(self, directory: Path) -> None:
        self._out = (directory / "fileuploadout.txt").open("w", encoding="utf-8")
        self._errors = (directory / "fileuploaderr.txt").open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        self._errors.close()

    def note(self, text: str) -> None:
        self._out.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z {text}\n")

    def failed(self, text: str) -> None:
        self._errors.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z {text}\n")


def _applies(file: JsonObject, *, succeeded: bool) -> bool:
    condition = file["uploadOptions"]["uploadCondition"].lower()
    return condition in {"taskcompletion", "tasksuccess" if succeeded else "taskfailure"}


async def _upload_one(file: JsonObject, launch: Launch, storage: Storage, log: _Log) -> JsonObject | None:
    destination = file["destination"]["container"]
    url = destination["containerUrl"]
    found = list(named_blobs(file["filePattern"], destination.get("path"), launch.directory / "wd"))
    log.note(f"{len(found)} files match {file['filePattern']}")
    headers = {header["name"]: header.get("value") or "" for header in destination.get("uploadHeaders") or ()}
    try:
        async with storage.container(url, identity=bool(destination.get("identityReference"))) as client:
            await _send(client, found, headers, log)
    except (AzureError, OSError, ValueError) as error:
        code = _code(error)
        log.failed(
            f"{code}: {file['filePattern']} to {without_signature(url)}: {type(error).__name__}: {_reason(error)}"
        )
        return user_error(code, _MESSAGES[code], FilePattern=file["filePattern"], Container=without_signature(url))
    return None


async def _send(
    client: "ContainerClient", found: Iterable[tuple[Path, str]], headers: dict[str, str], log: _Log
) -> None:
    for path, blob in found:
        with path.open("rb") as content:
            await client.upload_blob(blob, content, overwrite=True, headers=headers)
        log.note(f"{path.name} uploaded as {blob}")


def named_blobs(pattern: str, destination: str | None, directory: Path) -> Iterator[tuple[Path, str]]:
    """Files that a pattern matches, seen from the working directory, and the names of their blobs.

    A pattern without wildcards is one file, and the destination the name of its blob. With wildcards the destination is
    a virtual directory, below which a blob has the file's path from where the wildcards begin.
    """
    if not _WILDCARD.search(pattern):
        path = directory / pattern
        if path.is_file():
            yield path, destination or path.name
        return
    fixed, wild = _split(pattern)
    start = directory / fixed
    for path in sorted(start.glob(wild)) if start.is_dir() else ():
        if path.is_file():
            name = path.relative_to(start).as_posix()
            yield path, f"{destination.rstrip('/')}/{name}" if destination else name


def _split(pattern: str) -> tuple[str, str]:
    """The folders before the first wildcard, and the rest. pathlib's `**` is folders alone, and the service's files."""
    parts = pattern.lstrip("/").split("/")
    first = next(at for at, part in enumerate(parts) if _WILDCARD.search(part))
    wild = parts[first:]
    return "/".join(parts[:first]), "/".join([*wild, "*"] if wild[-1] == "**" else wild)


def _code(error: Exception) -> str:
    if isinstance(error, ResourceNotFoundError):
        return "FileUploadContainerNotFound"
    refused = isinstance(error, HttpResponseError) and error.status_code in _REFUSED
    return (
        "FileUploadAccessDenied" if refused or isinstance(error, ClientAuthenticationError) else "FileUploadMiscError"
    )


def _reason(error: Exception) -> str:
    """The first line: what follows of an SDK's message repeats headers."""
    return (str(error).splitlines() or [""])[0]
