"""The data plane as an ASGI application: what a request passes on its way to an operation and back."""

import asyncio
import inspect
import logging
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from azure_batch_emulator.control.faults import Fault, Faults
from azure_batch_emulator.protocol.authentication import Authentication, SignedRequest
from azure_batch_emulator.protocol.call import Answer, Call, JsonObject, Reply
from azure_batch_emulator.protocol.conditions import check_conditions, is_conditional
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.rendering import COMMON_HEADERS, render, render_error
from azure_batch_emulator.protocol.routes import API_VERSION, RESOURCE_OPERATIONS, Route, match
from azure_batch_emulator.protocol.validation.bodies import validated, validated_tasks

logger = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
_EVERYWHERE = ("api-version", "timeOut", "$skiptoken")
_ABOUT = (("pool", "poolId"), ("job", "jobId"), ("node", "nodeId"), ("task", "taskId"))
_CREATED = {"create_pool": "pool", "create_job": "job", "create_task": "task"}

Operations = Mapping[str, Callable[[Any, Call], Answer | Awaitable[Answer]]]


class Dropped(Exception):  # noqa: N818 - not an error of the emulator: a fault that was asked for
    """The connection shall be reset instead of answered."""


@dataclass(frozen=True)
class DataPlane:
    """The Batch service of one account. `state` is what the operations work on; it is passed through."""

    state: Any
    operations: Operations
    authentication: Authentication
    faults: Faults
    now: Callable[[], datetime]
    """Emulated time, for the text of errors."""
    drop: Callable[[Scope], None] = lambda _scope: None
    """Resets the connection that a request came through."""
    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answered calls by operation and status; 0 is a connection that was reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_id = str(uuid.uuid4())
        operation = "unknown"
        try:
            route, path = match(request.method, _raw_path(scope))
            operation = route.operation
            response = await self._answer(request, route, path)
        except BatchError as error:
            response = self._refusal(request, error, request_id)
        except Dropped:
            self.calls[operation, 0] += 1
            self.drop(scope)
            return
        except Exception:
            # A fault of the emulator's own: the client hears what the service would say, its author the traceback.
            logger.exception("%s failed", operation)
            response = self._refusal(request, BatchError("InternalError"), request_id)
        self.calls[operation, response.status_code] += 1
        _add_headers(request, response, request_id)
        await response(scope, receive, send)

    def _refusal(self, request: Request, error: BatchError, request_id: str) -> Response:
        return render_error(error, _base_url(request), request_id, self.now(), head=request.method == "HEAD")

    async def _answer(self, request: Request, route: Route, path: dict[str, str]) -> Response:
        signed = _signed(request)
        if not any(name.lower() == "api-version" for name, _ in signed.query):
            values = {"QueryParameterName": "api-version"}
            raise BatchError("MissingRequiredQueryParameter", values=values)
        # The body first: a client that still sends does not hear a refusal.
        content = await _content(request)
        self.authentication.verify(signed, datetime.now(UTC))
        query = _query(route, signed)
        body, rejected = _body(request, route, content)
        call = Call(route.operation, path, query, dict(request.headers), body, _base_url(request), rejected)
        await self._before(call)
        self._check_conditions(call, route)
        answer = self.operations[route.operation](self.state, call)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Reply) and route.method in ("GET", "HEAD") and is_conditional(call.headers):
            check_conditions(call.headers, answer.etag, answer.last_modified, reading=True)
        response = render(call, route, answer, signed.raw_path)
        if self._drawn("answer_lost", call):
            raise Dropped
        return response

    async def _before(self, call: Call) -> None:
        slow = self._drawn("slow", call)
        if slow is not None:
            await asyncio.sleep(slow.seconds or 0.0)
        if self._drawn("reset", call):
            raise Dropped
        for kind, code in (("throttled", "TooManyRequests"), ("busy", "ServerBusy"), ("internal", "InternalError")):
            fault = self._drawn(kind, call)
            if fault is not None:
                raise BatchError(code, message=fault.message, retry_after=fault.retry_after)

    def _drawn(self, kind: str, call: Call) -> Fault | None:
        about = {name: call.path[key] for name, key in _ABOUT if key in call.path}
        created = _CREATED.get(call.operation)
        if created is not None:
            about[created] = str(call.body.get("id", ""))
        return self.faults.draw(kind, operation=call.operation, **about)

    def _check_conditions(self, call: Call, route: Route) -> None:
        # The resource is asked for its ETag on the same turn of the loop as the operation that follows.
        resource = _resource(route.path)
        if route.method in ("GET", "HEAD") or not route.conditional or resource is None:
            return
        if is_conditional(call.headers):
            answer = self.operations[resource](self.state, call)
            if isinstance(answer, Reply):
                check_conditions(call.headers, answer.etag, answer.last_modified, reading=False)


def _resource(path: str) -> str | None:
    found = [template for template in RESOURCE_OPERATIONS if (path + "/").startswith(template + "/")]
    return RESOURCE_OPERATIONS[max(found, key=len)] if found else None


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("ascii", "replace").partition("?")[0]


def _base_url(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def _signed(request: Request) -> SignedRequest:
    query = parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True)
    return SignedRequest(request.method, _raw_path(request.scope), tuple(query), dict(request.headers))


def _query(route: Route, signed: SignedRequest) -> dict[str, str]:
    # Names are the service's; older clients write timeout for timeOut.
    known = {name.lower(): name for name in (*_EVERYWHERE, *route.query)}
    query: dict[str, str] = {}
    for name, value in signed.query:
        if name.lower() not in known:
            raise BatchError("UnsupportedQueryParameter", values={"QueryParameterName": name})
        query[known[name.lower()]] = value
    if query["api-version"] != API_VERSION:
        values = {"QueryParameterName": "api-version", "QueryParameterValue": query["api-version"]}
        raise BatchError("UnsupportedRequestVersion", values={**values, "Reason": f"Served is {API_VERSION}"})
    return query


async def _content(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY:
            chunks.append(chunk)
    if size > MAX_BODY:
        raise BatchError("RequestBodyTooLarge", values={"MaxLimit": str(MAX_BODY)})
    return b"".join(chunks)


def _body(request: Request, route: Route, content: bytes) -> tuple[JsonObject, dict[int, BatchError]]:
    if route.body is None:
        return {}, {}
    if not content:
        if route.body_required:
            raise BatchError("InvalidRequestBody", values={"Reason": "The request needs a body"})
        return {}, {}
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("application/json"):
        raise BatchError("InvalidHeaderValue", values={"HeaderName": "Content-Type", "HeaderValue": kind})
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BatchError("InvalidRequestBody", values={"Reason": str(error)}) from None
    if route.operation == "create_task_collection":
        return validated_tasks(document)
    return validated(route.body, document), {}


def _add_headers(request: Request, response: Response, request_id: str) -> None:
    response.headers["request-id"] = request_id
    if request.headers.get("return-client-request-id", "").lower() == "true":
        response.headers["client-request-id"] = request.headers.get("client-request-id", "")
    for name, value in COMMON_HEADERS.items():
        response.headers[name] = value
