"""Answers in the service's form: headers, OData documents, errors, files with their ranges."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote

import anyio
import msgspec
from starlette.responses import Response, StreamingResponse

from azure_batch_emulator.protocol.call import Answer, Call, FileContent, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.conditions import check_conditions
from azure_batch_emulator.protocol.connections import REASON_HEADER
from azure_batch_emulator.protocol.errors import BatchError, error_body
from azure_batch_emulator.protocol.odata.listing import page, trimmed
from azure_batch_emulator.protocol.routes import Route
from azure_batch_emulator.protocol.validation.secret_properties import without_secrets

CONTENT_TYPE = "application/json;odata=minimalmetadata"
COMMON_HEADERS: Mapping[str, str] = {
    "DataServiceVersion": "3.0",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Server": "Microsoft-HTTPAPI/2.0",
}
_ENTITIES = "Microsoft.Azure.Batch.Protocol.Entities."
_METADATA: Mapping[str, str] = {
    "evaluate_pool_auto_scale": f"{_ENTITIES}AutoScaleRun",
    "list_pool_node_counts": "poolnodecounts",
    "list_job_preparation_and_release_task_status": "jobpreparationandreleasetaskstatuslist",
    "get_job_task_counts": f"{_ENTITIES}TaskCountsResult",
    "create_task_collection": "taskaddresult",
    "list_subtasks": "subtasks",
    "get_node_remote_login_settings": f"{_ENTITIES}RemoteLoginSettings",
    "upload_node_logs": f"{_ENTITIES}UploadBatchServiceLogsResult",
}
"""What `odata.metadata` names, as recorded from the service, where it is not the collection in the path."""

_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z")
_CHUNK = 64 * 1024


def render(call: Call, route: Route, answer: Answer, raw_path: str) -> Response:
    """The response to a call. Raises: BatchError for a condition that does not hold or a range that is not there."""
    if isinstance(answer, FileContent):
        return _file(call, route, answer)
    if isinstance(answer, Listing):
        return _json(200, call, route, page(call, route, answer), {})
    headers = _resource_headers(call, route, answer, raw_path)
    status = route.status if answer.status is None else answer.status
    if answer.body is None:
        return Response(status_code=status, headers=headers)
    body = trimmed(call, route, answer.body) if "$select" in route.query else answer.body
    return _json(status, call, route, without_secrets(body), headers)


def render_error(error: BatchError, base_url: str, request_id: str, now: datetime, *, head: bool) -> Response:
    """The document of an error, or none where HTTP has none."""
    headers = {REASON_HEADER: " ".join(error.message.split()).encode("ascii", "replace").decode()}
    if error.retry_after is not None:
        headers["Retry-After"] = f"{error.retry_after:g}"
    if head or error.status == 304:
        return Response(status_code=error.status, headers=headers)
    body = msgspec.json.encode(error_body(error, base_url, request_id, now))
    return Response(body, status_code=error.status, headers={**headers, "Content-Type": CONTENT_TYPE})


def http_date(moment: datetime) -> str:
    """RFC 1123, in GMT."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _json(status: int, call: Call, route: Route, body: JsonObject, headers: Mapping[str, str]) -> Response:
    *_, collection, last = route.path.split("/")
    named = _METADATA.get(route.operation) or (f"{collection}/@Element" if last.startswith("{") else last)
    content = msgspec.json.encode({"odata.metadata": f"{call.base_url}/$metadata#{named}", **body})
    return Response(content, status_code=status, headers={**headers, "Content-Type": CONTENT_TYPE})


def _resource_headers(call: Call, route: Route, answer: Reply, raw_path: str) -> dict[str, str]:
    headers = dict(answer.headers)
    if answer.etag is not None:
        headers["ETag"] = answer.etag
    if answer.last_modified is not None:
        headers["Last-Modified"] = http_date(answer.last_modified)
    if route.method in ("POST", "PUT", "PATCH") and route.operation != "create_task_collection":
        headers.setdefault("DataServiceId", _service_id(call, route, raw_path))
    if route.status == 201:
        headers.setdefault("Location", headers["DataServiceId"])
    return headers


def _service_id(call: Call, route: Route, raw_path: str) -> str:
    if route.operation == "create_job":
        # The service's own slip: it names job-1 whatever the id of the job.
        return f"{call.base_url}/jobs/job-1"
    created = call.body.get("name" if route.operation == "create_node_user" else "id")
    return f"{call.base_url}{raw_path}" + (f"/{created}" if route.status == 201 else "")


def _file(call: Call, route: Route, content: FileContent) -> Response:
    if not content.path.exists():
        raise BatchError("FileNotFound")
    state = content.path.stat()
    modified = datetime.fromtimestamp(state.st_mtime, UTC)
    check_conditions(call.headers, None, modified, reading=True)
    directory = content.path.is_dir()
    headers = {
        "Last-Modified": http_date(modified),
        "ocp-creation-time": http_date(datetime.fromtimestamp(state.st_ctime, UTC)),
        "ocp-batch-file-isdirectory": str(directory),
        "ocp-batch-file-url": quote(content.url, safe=""),
        "ocp-batch-file-mode": f"0o{state.st_mode:o}",
        "Content-Type": "text/plain" if content.path.suffix == ".txt" else "application/octet-stream",
    }
    size = 0 if directory else state.st_size
    if route.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(size)})
    if directory:
        raise BatchError(
            "OperationInvalidForCurrentState", values={"Reason": "The content of a directory cannot be read"}
        )
    first, last = _range(call.headers.get("ocp-range"), size)
    length = {"Content-Length": str(last - first + 1)}
    # Also for a range: the SDK takes 206 for an error, and the specification knows 200 only.
    return StreamingResponse(_chunks(content.path, first, last), headers={**headers, **length})


def _range(header: str | None, size: int) -> tuple[int, int]:
    if header is None:
        return 0, size - 1
    found = _RANGE.match(header.strip())
    if found is None:
        raise BatchError("InvalidHeaderValue", values={"HeaderName": "ocp-range", "HeaderValue": header})
    first = int(found.group(1))
    last = min(int(found.group(2) or size - 1), size - 1)
    if first >= size or first > last:
        raise BatchError("InvalidRange")
    return first, last


async def _chunks(path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    # A file that still grows is read up to the length that was announced.
    async with await anyio.open_file(path, "rb") as file:
        await file.seek(first)
        left = last - first + 1
        while left > 0:
            chunk = await file.read(min(_CHUNK, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk
