"""The page at `/`: pools, nodes, jobs and tasks as they change. Static files that read /emulator/state."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

_FOLDER = Path(__file__).parent
_FILES = {
    "/": "index.html",
    "/emulator/page.css": "page.css",
    "/emulator/page.js": "page.js",
    "/emulator/page.svg": "page.svg",
}
# Nothing is fetched from anywhere else, and no browser keeps the page of an older emulator.
_HEADERS = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "no-cache"}


def routes() -> list[Route]:
    return [Route(path, _serve, methods=["GET"]) for path in _FILES]


async def _serve(request: Request) -> FileResponse:
    return FileResponse(_FOLDER / _FILES[request.url.path], headers=_HEADERS)
