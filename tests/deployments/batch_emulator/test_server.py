"""The emulator as a process: how it starts, its own switches, and what a broken network looks like to the SDK."""

import base64
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import dropwhile, takewhile
from pathlib import Path

import httpx
import pytest
from azure.batch import BatchClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

from azure_batch_emulator.__main__ import main
from azure_batch_emulator.running_emulator import Emulator, running_emulator
from tests.deployments.batch_emulator.either import server
from tests.deployments.batch_emulator.execution.launches import alive
from tests.deployments.batch_emulator.resources import make_job, make_pool, make_task

__all__ = ["server"]

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def emulator(server: Emulator) -> Iterator[Emulator]:
    yield server
    server.clear()


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command line in this process, for what ends before anything is served."""

    def run(*options: str) -> Ended:
        try:
            returncode = main(options)
        except SystemExit as ended:
            returncode = int(ended.code or 0)
        return Ended(returncode, *capsys.readouterr())

    return run


def code(error: HttpResponseError) -> str | None:
    return None if error.error is None else error.error.code


def test_help_names_the_switches(command) -> None:
    shown = command("--help")
    assert shown.returncode == 0
    for option in ("--port", "--speed", "--state", "--executor", "--seed", "--active-jobs-and-schedules"):
        assert option in shown.stdout


def test_a_taken_port_is_said_so(command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shown = command("--port", str(port))
    assert shown.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in shown.stderr
    assert "--port" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_it_starts_without_what_is_slow_to_import() -> None:
    slow = ["azure.storage", "azure.identity", "aiohttp", "httpx", "polars", "prefect"]
    look = f"import sys, azure_batch_emulator.__main__; print([m for m in {slow} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", look], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_applications_are_told_of() -> None:
    with running_emulator(application="blender=3.6,4.1") as emulator, emulator.client() as client:
        assert [(each.id, each.versions) for each in client.list_applications()] == [("blender", ["3.6", "4.1"])]
        assert client.get_application("Blender").display_name == "blender"


def test_what_it_prints_is_a_working_example() -> None:
    arguments = [sys.executable, "-m", "azure_batch_emulator", "--port", "0", "--executor", "simulated"]
    with subprocess.Popen(arguments, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = list(takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
        example = "".join(dropwhile(lambda line: not line.startswith("from"), printed))
        shown = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=60, check=False)
        process.terminate()
    assert (shown.stdout.strip(), shown.stderr) == ("[]", "")


@pytest.mark.parametrize(
    ("options", "returncode", "reason"),
    [
        (["--key", "not base64"], 2, "a shared key is base64"),
        (["--speed", "-1"], 1, "speed"),
        (["--state", "/dev/null/x"], 1, "could not begin"),
        (["--executor", "podman"], 1, "podman is not installed"),
    ],
)
def test_what_it_cannot_begin_with_is_said_so(command, options, returncode, reason) -> None:
    shown = command("--port", "0", *options)
    assert (shown.returncode, "Traceback" in shown.stderr) == (returncode, False)
    assert reason in shown.stderr


@pytest.mark.parametrize("interrupts", [1, 2])
def test_interrupted_it_ends_its_tasks_and_says_nothing(tmp_path: Path, interrupts: int) -> None:
    with running_emulator(speed=1000, executor="processes") as emulator, emulator.client() as client:
        make_pool(client)
        make_job(client)
        mark = tmp_path / "pid"
        make_task(client, "t", f"/bin/sh -c 'trap \"\" TERM; echo $$ > {mark}; while true; do sleep 1; done'")
        deadline = time.monotonic() + 30
        while not mark.exists() or not mark.read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for _ in range(interrupts):
            emulator.process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        assert emulator.process.wait(30) == 0
        assert not alive(int(mark.read_text()))
        assert "Traceback" not in emulator.said()


def test_a_storage_key_needs_a_name(command) -> None:
    shown = command("--storage-key", "secret")
    assert shown.returncode == 2
    assert "an equals sign and its key" in shown.stderr


def test_the_page_is_served(emulator) -> None:
    answer = httpx.get(f"{emulator.endpoint}/", trust_env=False)
    assert answer.status_code == 200
    assert "text/html" in answer.headers["Content-Type"]


def test_the_switches_tell_what_they_are(emulator) -> None:
    index = emulator.admin("")
    assert "Sets the speed" in index["routes"]["PUT /emulator/clock"]
    assert all(index["routes"].values())
    assert "node_preempted" in index["faults"]


@pytest.mark.parametrize("body", [{"pools": "many"}, {"swimming-pools": 1}, [1]])
def test_limits_that_make_no_sense_change_nothing(emulator, body) -> None:
    before = emulator.admin("quotas")
    answer = httpx.put(f"{emulator.endpoint}/emulator/quotas", json=body, trust_env=False)
    assert (answer.status_code, emulator.admin("quotas")) == (400, before)


def test_a_wrong_key_is_refused(emulator) -> None:
    wrong = replace(emulator, key="d3Jvbmc=")
    with wrong.client() as client, pytest.raises(HttpResponseError) as caught:
        list(client.list_pools())
    assert (caught.value.status_code, code(caught.value)) == (403, "AuthenticationFailed")


def test_shared_keys_may_be_refused_and_tokens_accepted() -> None:
    with running_emulator(no_shared_key=True, bearer="any", key="eA==") as emulator:
        with emulator.client() as client, pytest.raises(HttpResponseError, match="not allowed for this account"):
            list(client.list_pools())
        answer = httpx.get(
            f"{emulator.endpoint}/pools?api-version=2025-06-01",
            headers={"Authorization": "Bearer token"},
            trust_env=False,
        )
        assert (answer.status_code, answer.json()["value"]) == (200, [])


class Token:
    """A credential whose tokens are for an audience."""

    def __init__(self, audience: str) -> None:
        self._audience = audience

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        assert scopes == ("https://batch.core.windows.net//.default",)
        expires = int(time.time() + 600)
        claims = base64.urlsafe_b64encode(json.dumps({"aud": self._audience, "exp": expires}).encode()).decode()
        return AccessToken(f"e30.{claims.rstrip('=')}.signature", expires)


def test_tokens_for_the_batch_service_are_accepted_and_others_refused(emulator) -> None:
    with BatchClient(emulator.endpoint, Token("https://batch.core.windows.net/")) as client:
        assert list(client.list_jobs(filter="id eq 'none'", enforce_https=False)) == []
    with (
        BatchClient(emulator.endpoint, Token("https://management.azure.com/")) as client,
        pytest.raises(HttpResponseError, match="wrong audience"),
    ):
        list(client.list_jobs(enforce_https=False))


def test_the_clock_is_moved_and_read(emulator) -> None:
    before = emulator.admin("clock")
    after = emulator.admin("clock", {"advance": "PT1H"})
    assert after["speed"] == before["speed"] == 0
    assert after["now"][11:13] != before["now"][11:13]
    for body in ({"advance": "an hour"}, {"speed": -1}, {"sped": 1}):
        answer = httpx.put(f"{emulator.endpoint}/emulator/clock", json=body, trust_env=False)
        assert answer.status_code == 400, body


def test_calls_are_counted(emulator) -> None:
    emulator.admin("calls", method="DELETE")
    with emulator.client() as client:
        list(client.list_jobs())
        list(client.list_jobs())
        with pytest.raises(HttpResponseError):
            client.get_job("none")
    assert emulator.admin("calls") == {
        "total": 3,
        "operations": {"get_job": 1, "list_jobs": 2},
        "statuses": {"get_job": {"404": 1}, "list_jobs": {"200": 2}},
    }


def test_quotas_are_changed_while_it_runs(emulator) -> None:
    before = emulator.admin("quotas")
    emulator.admin("quotas", {"pools": 0})
    with emulator.client() as client, pytest.raises(HttpResponseError) as caught:
        make_pool(client, "refused")
    emulator.admin("quotas", before)
    assert code(caught.value) == "PoolQuotaReached"


def test_faults_are_listed_and_bad_ones_refused(emulator) -> None:
    listed = emulator.admin("faults", [{"kind": "throttled", "times": 1}])["faults"]
    assert [(fault["kind"], fault["injected"]) for fault in listed] == [("throttled", 0)]
    assert emulator.admin("faults", {"kind": "busy"}, method="POST") == {"number": 2}
    answer = httpx.put(f"{emulator.endpoint}/emulator/faults", json=[{"kind": "tired"}], trust_env=False)
    assert answer.status_code == 400
    assert "kind" in answer.text


def test_the_status_line_tells_what_was_wrong(emulator) -> None:
    with emulator.client() as client:
        with pytest.raises(HttpResponseError) as caught:
            client.pool_exists("none")
        assert "The specified pool does not exist." in caught.value.message
    answer = httpx.get(f"{emulator.endpoint}/pools", trust_env=False)
    assert answer.reason_phrase == "A required query parameter was not specified in the request."
    assert "emulator-reason-phrase" not in answer.headers


def test_a_connection_is_reset(emulator) -> None:
    emulator.inject("reset", operation="list_jobs", times=1)
    with emulator.client(retry_total=0) as client:
        with pytest.raises((ServiceRequestError, ServiceResponseError)):
            list(client.list_jobs())
        assert list(client.list_jobs()) == []


def test_an_answer_is_lost_after_the_work_was_done(emulator) -> None:
    emulator.inject("answer_lost", operation="create_job", times=1)
    with emulator.client(retry_total=0) as client:
        with pytest.raises((ServiceRequestError, ServiceResponseError)):
            make_job(client, "lost")
        assert client.get_job("lost").state == "active"


def test_the_sdk_retries_a_busy_service_and_not_a_throttled_create(emulator) -> None:
    faults = [
        {"kind": "busy", "operation": "list_jobs", "times": 1, "retry_after": 0},
        {"kind": "throttled", "operation": "create_job", "times": 1},
    ]
    emulator.admin("faults", faults)
    with emulator.client() as client:
        list(client.list_jobs())
        with pytest.raises(HttpResponseError) as caught:
            make_job(client, "throttled")
    assert (caught.value.status_code, code(caught.value)) == (429, "TooManyRequests")


def test_a_node_is_preempted_on_demand_and_the_page_reads_it(emulator) -> None:
    with emulator.client() as client:
        make_pool(client, "spot", nodes=0, spot=1)
        make_job(client, "j", "spot")
        make_task(client, "t", "simulate --seconds 1000", "j")
        emulator.advance_until(lambda: client.get_task("j", "t").state == "running")
        node = next(iter(client.list_nodes("spot"))).id
        assert emulator.admin(f"nodes/spot/{node}/preempt", method="POST") == {"state": "preempted"}
        assert client.get_task("j", "t").state == "active"
    shown = emulator.admin("state")
    pool = next(pool for pool in shown["pools"] if pool["id"] == "spot")
    assert [each["state"] for each in pool["nodes"]] == ["preempted"]
    job = next(job for job in shown["jobs"] if job["id"] == "j")
    assert job["taskCounts"] == {"active": 1}
    answer = httpx.post(f"{emulator.endpoint}/emulator/nodes/spot/{node}/tickle", trust_env=False)
    assert answer.status_code == 400


def test_the_state_survives_a_restart(tmp_path) -> None:
    with running_emulator(speed=0, state=tmp_path / "state") as emulator, emulator.client() as client:
        make_pool(client, "kept", nodes=1)
        make_job(client, "j", "kept")
        make_task(client, "t", "simulate --seconds 1000", "j")
        emulator.advance_until(lambda: client.get_task("j", "t").state == "running")
    with running_emulator(speed=0, state=tmp_path / "state") as emulator, emulator.client() as client:
        assert client.get_pool("kept").url.startswith(emulator.endpoint)
        assert client.get_task("j", "t").state == "active"
        emulator.advance_until(lambda: client.get_task("j", "t").state == "running")
