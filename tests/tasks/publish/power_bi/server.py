"""A server that behaves like Power BI's REST API of enhanced refreshes.

https://learn.microsoft.com/power-bi/connect-data/asynchronous-refresh
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.served import served

TOKEN = "token-of-power-bi"


@dataclass
class Refresh:
    """`looks` times it is under way, then it has its `end`."""

    looks: int
    end: str
    messages: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0


@dataclass
class Service:
    """One semantic model. What comes next to a refresh that is started is in `looks`, `end` and `messages`."""

    workspace: str = str(uuid.UUID(int=1))
    dataset: str = str(uuid.UUID(int=2))
    token: str = TOKEN
    looks: int = 2
    end: str = "Completed"
    messages: list[dict[str, str]] = field(default_factory=list)
    refuse: list[int] = field(default_factory=list)  # statuses of the next answers
    refuse_to_cancel: bool = False  # by cutting the connection
    busy: int = 0  # so many starts find another refresh under way
    refreshes: dict[str, Refresh] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve_power_bi(service: Service) -> Iterator[Service]:
    path = "/v1.0/myorg/groups/{workspace}/datasets/{dataset}/refreshes"
    routes = [
        Route(path, partial(_start, service), methods=["POST"]),
        Route(f"{path}/{{refresh}}", partial(_one, service), methods=["GET", "DELETE"]),
    ]
    with served(Starlette(routes=routes)) as origin:
        service.url = f"{origin}/v1.0/myorg"
        yield service


def _refused(service: Service, request: Request) -> Response | None:
    service.asked.append(f"{request.method} {request.url.path.rpartition('/refreshes')[2] or '/'}")
    if request.headers.get("authorization") != f"Bearer {service.token}":
        return Response(status_code=403)
    if service.refuse:
        status = service.refuse.pop(0)
        return JSONResponse({"error": {"code": f"Code{status}", "message": "said so"}}, status, {"Retry-After": "0"})
    place = (request.path_params["workspace"], request.path_params["dataset"])
    if place != (service.workspace, service.dataset):
        return JSONResponse({"error": {"code": "PowerBIEntityNotFound", "message": ""}}, 404)
    return None


async def _start(service: Service, request: Request) -> Response:
    if refused := _refused(service, request):
        return refused
    body = await request.json()
    if body.get("commitMode") != "transactional":
        return JSONResponse({"error": {"code": "BadRequest", "message": "not an enhanced refresh"}}, 400)
    if service.busy:
        service.busy -= 1
        code = "DMTS_RefreshInProgressError"
        return JSONResponse({"error": {"code": code, "message": "Another refresh request is already executing"}}, 400)
    name = str(uuid.uuid4())
    service.refreshes[name] = Refresh(service.looks, service.end, service.messages)
    return Response(status_code=202, headers={"Location": f"{request.url}/{name}", "x-ms-request-id": name})


async def _one(service: Service, request: Request) -> Response:
    if refused := _refused(service, request):
        return refused
    name = request.path_params["refresh"]
    refresh = service.refreshes[name]
    if request.method == "DELETE" and service.refuse_to_cancel:
        return Response(headers={"Content-Length": "10"})  # and then the connection ends
    if request.method == "DELETE":
        service.cancelled.append(name)
        refresh.looks, refresh.end = 0, "Cancelled"
        return Response(status_code=200)
    refresh.asked += 1
    if refresh.asked <= refresh.looks:
        return JSONResponse({"status": "Unknown", "extendedStatus": "InProgress", "messages": []}, 202)
    status = refresh.end if refresh.end in ("Completed", "Failed", "Cancelled") else "Unknown"
    return JSONResponse({"status": status, "extendedStatus": refresh.end, "messages": refresh.messages})
