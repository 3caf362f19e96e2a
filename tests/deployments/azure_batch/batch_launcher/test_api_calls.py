"""Prefect's API as the launcher meets it: away, busy, refusing, behind credentials and CSRF protection."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from batch_launcher.exit_codes import ExitCode
from tests.deployments.azure_batch.batch_launcher.flow_runs import FlowRuns
from tests.deployments.azure_batch.batch_launcher.launched import launch
from tests.servers.prefect_server import free_port, prefect_server

RUN = {"PREFECT__FLOW_RUN_ID": "0b6bdfb4-5c8c-4d5a-8c0b-6f3a0d1d2c3e"}
PENDING = {"state": {"type": "PENDING", "name": "Pending", "timestamp": "2026-11-22T12:00:00Z"}}
LOGIN = "admin:s3cr3t"


@contextmanager
def scripted(*answers: tuple[int, dict[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """The URL of an API that answers so in turn, then as a submitted run; and the credentials it is sent."""
    left, seen = list(answers), list[str]()

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            status, headers = left.pop(0) if left else (200, {})
            body = json.dumps(PENDING).encode()
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api", seen
        server.shutdown()
        thread.join()


def test_an_api_that_is_away_is_asked_for_a_while() -> None:
    api = f"http://127.0.0.1:{free_port()}/api"
    began = time.monotonic()
    done = launch("echo", "executed", **RUN, PREFECT_API_URL=api, AZURE_BATCH_API_PATIENCE="4")

    assert (done.returncode, done.stdout) == (ExitCode.API_UNAVAILABLE, "")
    assert "asked again in 1 seconds" in done.stderr
    assert "asked again in 2 seconds" in done.stderr
    assert "could not be reached for 4 seconds: ConnectError" in done.stderr
    assert 2.5 < time.monotonic() - began < 30


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_api_is_asked_again(status: int) -> None:
    with scripted((status, {})) as (api, seen):
        done = launch("echo", "executed", **RUN, PREFECT_API_URL=api)

    assert (done.returncode, done.stdout) == (0, "executed\n")
    assert f"status {status}" in done.stderr
    assert len(seen) == 2


def test_the_wait_that_the_api_asks_for_is_kept() -> None:
    with scripted((429, {"Retry-After": "3"})) as (api, _):
        began = time.monotonic()
        done = launch("echo", "executed", **RUN, PREFECT_API_URL=api)

    assert done.stdout == "executed\n"
    assert time.monotonic() - began > 3


@pytest.mark.parametrize(("status", "said"), [(401, "PREFECT_API_KEY"), (403, "secrets"), (404, "was deleted")])
def test_an_api_that_refuses_is_not_asked_again(status: int, said: str) -> None:
    with scripted((status, {})) as (api, seen):
        done = launch("echo", "executed", **RUN, PREFECT_API_URL=api, PREFECT_API_KEY="s3cr3t")

    assert (done.returncode, done.stdout, len(seen)) == (ExitCode.API_REFUSED, "", 1)
    assert said in done.stderr
    assert "s3cr3t" not in done.stderr


def test_an_api_key_is_sent_as_a_bearer() -> None:
    with scripted() as (api, seen):
        launch("true", **RUN, PREFECT_API_URL=api, PREFECT_API_KEY="s3cr3t")

    assert seen == ["Bearer s3cr3t"]


def test_a_server_with_a_password_and_csrf_protection_is_asked(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(
        'active = "safe"\n[profiles.safe]\nPREFECT_SERVER_CSRF_PROTECTION_ENABLED = "true"\n'
        f'PREFECT_SERVER_API_AUTH_STRING = "{LOGIN}"\n'
    )
    with prefect_server(tmp_path) as api:
        name, _, password = LOGIN.partition(":")
        runs = FlowRuns(api, (name, password))
        run = runs.create("PENDING")
        here = {"AZ_BATCH_NODE_ID": "tvmps_1_d", "PREFECT_API_URL": api, "PREFECT__FLOW_RUN_ID": run}
        refused = launch("echo", "executed", **here)
        done = launch("echo", "executed", **here, PREFECT_API_AUTH_STRING=LOGIN)
        label = runs.read(run)["labels"]["azure-batch.execution"]

    assert (refused.returncode, refused.stdout) == (ExitCode.API_REFUSED, "")
    assert "PREFECT_API_AUTH_STRING that it accepts" in refused.stderr
    assert (done.returncode, done.stdout, done.stderr) == (0, "executed\n", "")
    assert label == "tvmps_1_d"
