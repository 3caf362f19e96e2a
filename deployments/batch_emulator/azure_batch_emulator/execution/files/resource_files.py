"""Files that a task wants in its working directory before it runs."""

import errno
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from azure_batch_emulator.execution.executor import JsonObject, Launch, server_error, user_error
from azure_batch_emulator.execution.files.storage import Storage, without_signature

_TIMEOUT = 60  # seconds between two pieces of an answer
# https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes
_MESSAGES = {
    "BlobNotFound": "One of the specified Azure Blob(s) is not found",
    "BlobAccessDenied": "Access for one of the specified Azure Blob(s) is denied",
    "BlobDownloadTimedOut": "Timeout encountered while downloading one of the specified Azure Blob(s)",
    "BlobDownloadMiscError": "Miscellaneous error encountered while downloading one of the specified Azure Blob(s)",
    "ResourceDirectoryCreateFailed": "Failure encountered creating resource directory for the task",
    "ResourceFileWriteFailed": "Failure encountered writing resource file",
    "DiskFull": "There is not enough disk space on the node that was selected to run the task",
}
_USER_ERRORS = {"BlobNotFound", "BlobAccessDenied"}
_FULL = {errno.ENOSPC, errno.EDQUOT}


async def fetch(launch: Launch, storage: Storage) -> JsonObject | None:
    """Puts all of them into `wd`. The failureInfo of the first that could not be had, or None."""
    for resource in launch.resource_files:
        try:
            await _fetch_one(resource, launch.directory / "wd", storage)
        except _Failed as failed:
            return failed.info
    return None


class _Failed(Exception):  # noqa: N818 - an outcome on its way to the task's failureInfo
    def __init__(self, code: str, source: str, reason: str) -> None:
        kind = user_error if code in _USER_ERRORS else server_error
        details = {"BlobSource": without_signature(source), "Message": reason}
        self.info = kind(code, _MESSAGES[code], **details)
        super().__init__(reason)


async def _fetch_one(resource: JsonObject, directory: Path, storage: Storage) -> None:
    mode = int(resource.get("fileMode") or "0770", 8)
    if url := resource.get("httpUrl"):
        name = resource.get("filePath") or Path(urlsplit(url).path).name
        target = _inside(directory, name, url)
        chunks = _blob_chunks(storage, url) if resource.get("identityReference") else _http_chunks(url)
        await _save(chunks, target, mode, url)
    else:
        await _fetch_container(resource, directory, mode, storage)


async def _fetch_container(resource: JsonObject, directory: Path, mode: int, storage: Storage) -> None:
    """All blobs under the prefix, with their whole names below `filePath`."""
    identity = bool(resource.get("identityReference"))
    url = resource.get("storageContainerUrl")
    if url is None:
        name = resource["autoStorageContainerName"]
        if storage.auto_storage_url is None:
            raise _Failed("BlobAccessDenied", name, "The Batch account has no storage account linked to it")
        url, identity = f"{storage.auto_storage_url.rstrip('/')}/{name}", True
    try:
        async with storage.container(url, identity=identity) as client:
            async for name in client.list_blob_names(name_starts_with=resource.get("blobPrefix")):
                target = _inside(directory, f"{resource.get('filePath') or '.'}/{name}", url)
                download = await client.download_blob(name)
                await _save(download.chunks(), target, mode, f"{without_signature(url)}/{name}")
    except AzureError as error:
        _fail(url, error)


async def _http_chunks(url: str) -> AsyncIterator[bytes]:
    import httpx  # noqa: PLC0415 - slow: the emulator starts without it

    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=True) as client,
            client.stream("GET", url) as answer,
        ):
            if not answer.is_success:
                _fail_status(url, answer.status_code)
            async for chunk in answer.aiter_bytes():
                yield chunk
    except httpx.TimeoutException as error:
        raise _Failed("BlobDownloadTimedOut", url, type(error).__name__) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _Failed("BlobDownloadMiscError", url, str(error) or type(error).__name__) from error


async def _blob_chunks(storage: Storage, url: str) -> AsyncIterator[bytes]:
    try:
        async with storage.blob(url, identity=True) as client:
            async for chunk in (await client.download_blob()).chunks():
                yield chunk
    except AzureError as error:
        _fail(url, error)


async def _save(chunks: AsyncIterator[bytes], target: Path, mode: int, source: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _Failed("ResourceDirectoryCreateFailed", source, str(error)) from error
    try:
        with target.open("wb") as file:
            async for chunk in chunks:
                file.write(chunk)
            if sys.platform != "win32":
                os.fchmod(file.fileno(), mode)
    except OSError as error:
        code = "DiskFull" if error.errno in _FULL else "ResourceFileWriteFailed"
        raise _Failed(code, source, str(error)) from error


def _inside(directory: Path, name: str, source: str) -> Path:
    """The node's agent writes nowhere but into the task's working directory."""
    target = directory / name.lstrip("/")
    if not Path(target.parent).resolve().is_relative_to(directory.resolve()):
        raise _Failed("ResourceDirectoryCreateFailed", source, f"{name} is not inside the task's working directory")
    return target


def _fail(url: str, error: AzureError) -> NoReturn:
    if isinstance(error, ResourceNotFoundError):
        raise _Failed("BlobNotFound", url, str(error.message)) from error
    if isinstance(error, ClientAuthenticationError):
        raise _Failed("BlobAccessDenied", url, str(error.message)) from error
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        _fail_status(url, error.status_code)
    raise _Failed("BlobDownloadMiscError", url, str(error.message)) from error


def _fail_status(url: str, status: int) -> NoReturn:
    """Blob storage answers 409 where public access is not permitted, 404 for what anonymous callers may not see."""
    codes = {404: "BlobNotFound", 401: "BlobAccessDenied", 403: "BlobAccessDenied", 409: "BlobAccessDenied"}
    raise _Failed(codes.get(status, "BlobDownloadMiscError"), url, f"The storage answered {status}")
