"""What every call passes on its way: tried with a few operations of the test's own, over HTTP as it is on the wire."""

import asyncio
import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import httpx
import pytest

from azure_batch_emulator.control.faults import Fault, Faults
from azure_batch_emulator.protocol.app import DataPlane, Operations
from azure_batch_emulator.protocol.authentication import Authentication, refuse_all
from azure_batch_emulator.protocol.call import Call, FileContent, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError
from tests.deployments.batch_emulator.signing import SharedKey

KEY = base64.b64encode(b"a key for the tests").decode()
CHANGED = datetime(2026, 3, 2, 12, 0, 0, 500, tzinfo=UTC)
STDOUT = b"0123456789" * 10


class Jobs:
    """Jobs, and one task's file."""

    def __init__(self, folder: Path) -> None:
        self.jobs: dict[str, JsonObject] = {}
        self.file = folder / "stdout.txt"
        self.file.write_bytes(STDOUT)

    def create(self, call: Call) -> Reply:
        if call.body["id"] in self.jobs:
            raise BatchError("JobExists")
        self.jobs[call.body["id"]] = {**call.body, "state": "active", "stats": {}, "eTag": "0x1"}
        return Reply(etag="0x1", last_modified=CHANGED)

    def get(self, call: Call) -> Reply:
        if call.path["jobId"] not in self.jobs:
            raise BatchError("JobNotFound")
        return Reply(body=self.jobs[call.path["jobId"]], etag="0x1", last_modified=CHANGED)

    def list(self, _call: Call) -> Listing:
        return Listing("jobs", self.jobs.values())

    async def delete(self, call: Call) -> Reply:
        await asyncio.sleep(0)
        self.jobs.pop(call.path["jobId"])
        return Reply()


def broken(_jobs: Jobs, _call: Call) -> Reply:
    raise RuntimeError("a fault of the emulator")


OPERATIONS: Operations = {
    "list_pools": broken,
    "create_job": Jobs.create,
    "get_job": Jobs.get,
    "list_jobs": Jobs.list,
    "_delete_job_internal": Jobs.delete,
    "download_task_file": lambda jobs, call: FileContent(jobs.file, f"{call.base_url}/jobs/j/tasks/t/files/stdout.txt"),
    "_get_task_file_properties_internal": lambda jobs, call: FileContent(jobs.file, f"{call.base_url}/jobs/x"),
}


@pytest.fixture
def faults() -> Faults:
    return Faults(0)


@pytest.fixture
def plane(tmp_path: Path, faults: Faults) -> DataPlane:
    account = Authentication("tests", KEY, refuse_all)
    return DataPlane(Jobs(tmp_path), OPERATIONS, account, faults, lambda: CHANGED)


@pytest.fixture
def client(plane: DataPlane) -> Iterator["Client"]:
    with Client(plane) as client:
        yield client


class Client:
    """Synchronous calls of the application, on a loop of their own."""

    def __init__(self, plane: DataPlane) -> None:
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(plane), base_url="http://tests.local:1", auth=SharedKey("tests", KEY)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()

    def __call__(self, method: str, url: str, **options) -> httpx.Response:
        separator = "&" if "?" in url else "?"
        if "api-version" not in url:
            url = f"{url}{separator}api-version=2025-06-01"
        return self._runner.run(self._http.request(method, url, **options))

    def jobs(self, count: int) -> None:
        for number in range(count):
            answer = self("POST", "/jobs", json={"id": f"j{number:02d}", "poolInfo": {"poolId": "p"}})
            assert answer.status_code == 201, answer.text


def test_a_created_resource_has_the_services_headers(client) -> None:
    answer = client("POST", "/jobs", json={"id": "j", "poolInfo": {"poolId": "p"}}, headers={"client-request-id": "me"})
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["ETag"] == "0x1"
    assert answer.headers["Last-Modified"] == "Mon, 02 Mar 2026 12:00:00 GMT"
    assert answer.headers["Location"] == answer.headers["DataServiceId"] == "http://tests.local:1/jobs/job-1"
    assert answer.headers["DataServiceVersion"] == "3.0"
    assert len(answer.headers["request-id"]) == 36
    assert "client-request-id" not in answer.headers


def test_the_client_request_id_comes_back_when_asked_for(client) -> None:
    answer = client("GET", "/jobs", headers={"client-request-id": "me", "return-client-request-id": "true"})
    assert answer.headers["client-request-id"] == "me"


def test_a_resource_is_an_odata_document(client) -> None:
    client.jobs(1)
    answer = client("GET", "/jobs/j00")
    assert answer.headers["Content-Type"] == "application/json;odata=minimalmetadata"
    assert answer.json() == {
        "odata.metadata": "http://tests.local:1/$metadata#jobs/@Element",
        "id": "j00",
        "poolInfo": {"poolId": "p"},
        "state": "active",
        "eTag": "0x1",
    }


def test_select_and_expand(client) -> None:
    client.jobs(1)
    assert set(client("GET", "/jobs/j00?$select=id,state").json()) == {"odata.metadata", "id", "state"}
    assert set(client("GET", "/jobs/j00?$select=id&$expand=stats").json()) == {"odata.metadata", "id", "stats"}
    assert client("GET", "/jobs?$select=id").json()["value"] == [{"id": "j00"}]
    for query in ("$select=id,nothing", "$select=executionInfo/startTime", "$expand=tasks"):
        refused = client("GET", f"/jobs/j00?{query}")
        assert (refused.status_code, refused.json()["code"]) == (400, "InvalidQueryParameterValue")


def test_an_error_is_told_at_the_top_level(client) -> None:
    answer = client("GET", "/jobs/none")
    assert answer.status_code == 404
    assert answer.json() == {
        "odata.metadata": "http://tests.local:1/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element",
        "code": "JobNotFound",
        "message": {
            "lang": "en-US",
            "value": "The specified job does not exist.\n"
            f"RequestId:{answer.headers['request-id']}\nTime:2026-03-02T12:00:00.0005000Z",
        },
    }


def test_a_fault_of_the_emulator_is_an_internal_error_and_is_logged(client, caplog) -> None:
    answer = client("GET", "/pools")
    assert (answer.status_code, answer.json()["code"]) == (500, "InternalError")
    assert "a fault of the emulator" in caplog.text


def test_lists_are_in_the_order_of_ids(client) -> None:
    for name in ("b", "C", "a"):
        client("POST", "/jobs", json={"id": name, "poolInfo": {"poolId": "p"}})
    assert [job["id"] for job in client("GET", "/jobs").json()["value"]] == ["a", "b", "C"]


def test_pages_are_joined_by_links(client) -> None:
    client.jobs(7)
    answer, seen, sizes = client("GET", "/jobs?maxresults=3&$select=id").json(), [], []
    while True:
        sizes.append(len(answer["value"]))
        seen += [job["id"] for job in answer["value"]]
        if "odata.nextLink" not in answer:
            break
        assert answer["odata.nextLink"].startswith("http://tests.local:1/jobs?")
        answer = client("GET", answer["odata.nextLink"].removeprefix("http://tests.local:1")).json()
    assert sizes == [3, 3, 1]
    assert seen == [f"j{number:02d}" for number in range(7)]


def test_a_page_follows_the_last_one_when_something_was_deleted(client) -> None:
    client.jobs(6)
    first = client("GET", "/jobs?maxresults=3").json()
    client("DELETE", "/jobs/j00")
    second = client("GET", first["odata.nextLink"].removeprefix("http://tests.local:1")).json()
    assert [job["id"] for job in second["value"]] == ["j03", "j04", "j05"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("maxresults=0", "OutOfRangeQueryParameterValue"),
        ("maxresults=1001", "OutOfRangeQueryParameterValue"),
        ("maxresults=ten", "InvalidQueryParameterValue"),
        ("$skiptoken=!!", "InvalidQueryParameterValue"),
        ("$filter=displayName eq 'x'", "InvalidQueryParameterValue"),
        ("$orderby=id", "UnsupportedQueryParameter"),
        ("api-version=2019-08-01.10.0", "UnsupportedRequestVersion"),
        ("api-version=", "UnsupportedRequestVersion"),
    ],
)
def test_query_parameters_that_are_refused(client, query, code) -> None:
    answer = client("GET", f"/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_request_without_a_version_is_refused(plane) -> None:
    async def call() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(plane), base_url="http://tests.local") as http:
            return await http.get("/jobs")

    answer = asyncio.run(call())
    assert (answer.status_code, answer.json()["code"]) == (400, "MissingRequiredQueryParameter")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("PUT", "/jobs", 405, "UnsupportedHttpVerb"),
        ("GET", "/certificates", 400, "InvalidUri"),
        ("GET", "/jobs/j/nothing", 400, "InvalidUri"),
    ],
)
def test_what_is_not_a_route(client, method, path, status, code) -> None:
    answer = client(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_bodies_that_are_refused(client) -> None:
    def code(**options) -> tuple[int, str]:
        answer = client("POST", "/jobs", **options)
        return answer.status_code, answer.json()["code"]

    assert code() == (400, "InvalidRequestBody")
    assert code(content=b"{", headers={"Content-Type": "application/json"}) == (400, "InvalidRequestBody")
    assert code(content=b"[" * 100_000, headers={"Content-Type": "application/json"}) == (400, "InvalidRequestBody")
    assert code(content=b"{}", headers={"Content-Type": "text/plain"}) == (400, "InvalidHeaderValue")
    assert code(json={"id": "j", "poolInfo": {"poolId": "x" * 1024 * 1024}}) == (413, "RequestBodyTooLarge")
    assert code(json={"id": "j", "poolInfo": {"pool": "p"}}) == (400, "InvalidRequestBody")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"If-Match": '"0x1"'}, 200),
        ("GET", {"If-Match": "0x1"}, 200),
        ("GET", {"If-Match": "0x2"}, 412),
        ("GET", {"If-None-Match": "0x1"}, 304),
        ("GET", {"If-None-Match": '"0x2"'}, 200),
        ("GET", {"If-Modified-Since": "Mon, 02 Mar 2026 12:00:00 GMT"}, 304),
        ("GET", {"If-Modified-Since": "Mon, 02 Mar 2026 11:59:59 GMT"}, 200),
        ("GET", {"If-Unmodified-Since": "Mon, 02 Mar 2026 11:59:59 GMT"}, 412),
        ("DELETE", {"If-Unmodified-Since": "Mon, 02 Mar 2026 12:00:00 GMT"}, 202),
        ("DELETE", {"If-Match": '"0x2"'}, 412),
        ("DELETE", {"If-None-Match": "*"}, 412),
        ("DELETE", {"If-Modified-Since": "yesterday"}, 400),
    ],
)
def test_conditions(client, plane, method, headers, status) -> None:
    client.jobs(1)
    assert client(method, "/jobs/j00", headers=headers).status_code == status
    assert ("j00" in plane.state.jobs) == (status != 202)


@pytest.mark.parametrize(
    ("span", "status", "content"),
    [
        (None, 200, STDOUT),
        ("bytes=10-14", 200, STDOUT[10:15]),
        ("bytes=95-", 200, STDOUT[95:]),
        ("bytes=95-1000", 200, STDOUT[95:]),
        ("bytes=100-", 416, None),
        ("bytes=-5", 400, None),
    ],
)
def test_files_and_their_ranges(client, span, status, content) -> None:
    headers = {"ocp-range": span} if span else {}
    answer = client("GET", "/jobs/j/tasks/t/files/wd%2Fstdout.txt", headers=headers)
    assert answer.status_code == status
    if content is not None:
        assert answer.content == content


def test_the_properties_of_a_file(client) -> None:
    answer = client("HEAD", "/jobs/j/tasks/t/files/stdout.txt")
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "100")
    assert answer.headers["ocp-batch-file-isdirectory"] == "False"
    assert answer.headers["ocp-batch-file-url"] == "http%3A%2F%2Ftests.local%3A1%2Fjobs%2Fx"
    assert "ocp-creation-time" in answer.headers


def test_faults_of_the_transport(client, plane, faults) -> None:
    faults.set(
        [
            Fault(kind="throttled", operation="get_job", job="j0*", times=1),
            Fault(kind="busy", operation="get_job", times=1, retry_after=7),
            Fault(kind="internal", operation="list_*", times=1),
        ]
    )
    client.jobs(1)
    first, second, third = (client("GET", "/jobs/j00") for _ in range(3))
    assert (first.status_code, first.json()["code"], first.headers.get("Retry-After")) == (429, "TooManyRequests", None)
    assert (second.status_code, second.json()["code"], second.headers["Retry-After"]) == (503, "ServerBusy", "7")
    assert third.status_code == 200
    assert client("GET", "/jobs").status_code == 500
    assert plane.calls["get_job", 429] == plane.calls["get_job", 503] == plane.calls["get_job", 200] == 1


def test_a_fault_meets_what_is_being_created(client, faults) -> None:
    faults.add(Fault(kind="busy", job="bad"))
    statuses = [
        client("POST", "/jobs", json={"id": name, "poolInfo": {"poolId": "p"}}).status_code for name in ("good", "bad")
    ]
    assert statuses == [201, 503]
