"""Chromium for tests of pages: it renders, is clicked, and records what a page asked for and complained about.

`chromium` and `browser` are fixtures: a `conftest.py` imports them. Spoken is the DevTools protocol, so that no driver
has to be installed beside the browser. https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from deployments.local.sentinel import end_group

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 30  # seconds, for the browser to start and for anything a page is waited for
FLAGS = (
    "--headless",
    "--no-sandbox",  # the sandbox refuses to run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    # No name is resolved, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's path. Fails where there is none: a page nobody looked at has not been tested."""
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    pytest.fail(f"None of {', '.join(NAMES)} is on PATH. Install one: apt-get install chromium", pytrace=False)


@pytest.fixture(scope="session")
def browser(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Browser"]:
    profile = tmp_path_factory.mktemp("chromium")
    command = [str(chromium), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    own = {**os.environ, "XDG_CONFIG_HOME": str(profile)}  # its crash handler keeps files there, profile or not
    with (profile / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, env=own)
        try:
            with connect(_address(process, profile), max_size=None) as socket:
                running = Browser(socket)
                yield running
                running.call("Browser.close")
                process.wait(PATIENCE)
        finally:
            end_group(process.pid, 9)  # what is left of it, if it did not end by itself
            process.wait(PATIENCE)


class Browser:
    """A running Chromium: one connection, and what its tabs reported."""

    def __init__(self, socket: Connection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._tabs: dict[str, Tab] = {}

    @contextmanager
    def open(self, page: Path | str, width: int = 1280, height: int = 900, *, dark: bool = False) -> Iterator["Tab"]:
        """A tab of so many CSS pixels that shows the file or URL, in a light or a dark scheme; closed at the end."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.call("Emulation.setEmulatedMedia", features=[scheme])
        tab.resize(width, height)
        tab.call("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        tab.until("document.readyState === 'complete' && location.href !== 'about:blank'")
        yield tab
        self.call("Target.closeTarget", targetId=target)
        del self._tabs[session]

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of a method of the protocol. Events that arrive before it are handed to their tabs."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv(timeout=PATIENCE * 2))
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            if tab := self._tabs.get(answer.get("sessionId", "")):
                tab.heard(answer.get("method", ""), answer.get("params", {}))


class Tab:
    """One page. `requests`: every URL it asked for; `complaints`: its errors and warnings, those of the browser too."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def heard(self, event: str, params: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self.complaints.append(json.dumps(params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(params["entry"]["text"])

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, waited for where it is a promise."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, f"{script}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def until(self, condition: str) -> None:
        """Waits for a JavaScript expression to be true."""
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"{condition} is not true after {PATIENCE} s. {self.complaints}"
            self.evaluate("new Promise((done) => setTimeout(done, 20))")

    def click(self, selector: str) -> None:
        """A click of the mouse into the middle of the first such element."""
        self._mouse(self._middle(selector), "mousePressed", "mouseReleased", button="left", clickCount=1)

    def hover(self, selector: str) -> None:
        self._mouse(self._middle(selector), "mouseMoved")

    def drag(self, selector: str, start: float, end: float) -> None:
        """Drags across the first such element, between two shares of its width."""
        box = self.box(selector)
        y = box["y"] + box["height"] / 2
        for share, kind in (
            (start, "mousePressed"),
            ((start + end) / 2, "mouseMoved"),
            (end, "mouseMoved"),
            (end, "mouseReleased"),
        ):
            self._mouse((box["x"] + box["width"] * share, y), kind, button="left", buttons=1, clickCount=1)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def box(self, selector: str) -> dict[str, float]:
        """x, y, width and height on the screen, after scrolling there."""
        script = """((selector) => {
            const element = document.querySelector(selector);
            element.scrollIntoView({ block: "center" });
            return element.getBoundingClientRect().toJSON();
        })"""
        found: dict[str, float] = self.evaluate(f"{script}({json.dumps(selector)})")
        return found

    def screenshot(self, path: Path) -> Path:
        """A PNG of the whole page, as wide as the tab."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def _middle(self, selector: str) -> tuple[float, float]:
        box = self.box(selector)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def _mouse(self, at: tuple[float, float], *kinds: str, **more: Any) -> None:
        for kind in kinds:
            self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], **more)


def _address(process: subprocess.Popen[bytes], profile: Path) -> str:
    announced = profile / "DevToolsActivePort"
    deadline = time.monotonic() + PATIENCE
    while not (announced.exists() and announced.read_text().count("\n")):
        output = (profile / "output.txt").read_text(errors="replace")
        assert process.poll() is None, f"Chromium ended with {process.returncode}:\n{output}"
        assert time.monotonic() < deadline, f"Chromium did not start in {PATIENCE} s:\n{output}"
        time.sleep(0.02)
    port, path = announced.read_text().split("\n")[:2]
    return f"ws://127.0.0.1:{port}{path}"
