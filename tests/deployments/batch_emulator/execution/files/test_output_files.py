"""Output files to blob storage, and resource files from there and from elsewhere, through Azurite."""

import functools
import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from azure_batch_emulator.execution.executor import JsonObject, Launch
from azure_batch_emulator.execution.files.output_files import named_blobs
from azure_batch_emulator.execution.files.storage import Storage, account_name
from azure_batch_emulator.execution.node import NodeExecutor
from azure_batch_emulator.running_emulator import running_emulator
from tests.deployments.batch_emulator.execution.launches import ACCOUNT, launch_in, run, stdout
from tests.deployments.batch_emulator.resources import await_state, make_job, make_pool, make_task
from tests.servers.azurite import Azurite, StorageAccount, azurite, client

__all__ = ["azurite"]
IDENTITY = {
    "resourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
}


@pytest.fixture
def account(azurite: Azurite) -> StorageAccount:
    return azurite.account()


@pytest.fixture
def service(account: StorageAccount) -> Iterator[BlobServiceClient]:
    """With an empty container `results`."""
    with client(account) as opened:
        opened.create_container("results").close()
        yield opened


@pytest.fixture
def executor(account: StorageAccount) -> NodeExecutor:
    """On nodes whose identity may do anything in the account."""
    return NodeExecutor(ACCOUNT, Storage({account.name: account.key}, auto_storage_url=account.url))


def signed(account: StorageAccount, permissions: str, container: str = "results") -> str:
    """The container's URL with a signature for an hour."""
    signature = generate_container_sas(
        account.name,
        container,
        account_key=account.key,
        permission=ContainerSasPermissions.from_string(permissions),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return f"{account.url}/{container}?{signature}"


def output(pattern: str, url: str, condition: str = "taskCompletion", **destination: Any) -> JsonObject:
    return {
        "filePattern": pattern,
        "destination": {"container": {"containerUrl": url, **destination}},
        "uploadOptions": {"uploadCondition": condition},
    }


def blobs(service: BlobServiceClient, container: str = "results") -> dict[str, str]:
    with service.get_container_client(container) as opened:
        return {name: opened.download_blob(name).readall().decode() for name in opened.list_blob_names()}


def writing(root: Path, *outputs: JsonObject, code: int = 0) -> Launch:
    script = f"/bin/sh -c 'echo out; echo err >&2; mkdir -p a/b; echo 1 > a/one.csv; echo 2 > a/b/two.csv; exit {code}'"
    return launch_in(root, script, output_files=outputs)


def test_by_signature(account: StorageAccount, service: BlobServiceClient, tmp_path: Path) -> None:
    url = signed(account, "w")
    launch = writing(
        tmp_path / "node",
        output("../std*.txt", url, path="logs/t1"),
        output("**/*.csv", url, path="tables"),
        output("a/one.csv", url, path="renamed.csv"),
        output("nothing/*.csv", url),
    )
    assert run(NodeExecutor(ACCOUNT), launch).failure is None
    assert blobs(service) == {
        "logs/t1/stdout.txt": "out\n",
        "logs/t1/stderr.txt": "err\n",
        "tables/a/one.csv": "1\n",
        "tables/a/b/two.csv": "2\n",
        "renamed.csv": "1\n",
    }
    log = (launch.directory / "fileuploadout.txt").read_text()
    assert "stdout.txt uploaded as logs/t1/stdout.txt" in log
    assert "0 files match nothing/*.csv" in log
    assert "sig=" not in log


def test_by_identity(
    account: StorageAccount, service: BlobServiceClient, executor: NodeExecutor, tmp_path: Path
) -> None:
    url = f"{account.url}/results"
    launch = writing(tmp_path / "node", output("../stdout.txt", url, identityReference=IDENTITY))
    assert run(executor, launch).failure is None
    assert blobs(service) == {"stdout.txt": "out\n"}


@pytest.mark.parametrize(("code", "uploaded"), [(0, {"always.txt", "good.txt"}), (1, {"always.txt", "bad.txt"})])
def test_conditions_in_any_case(
    account: StorageAccount, service: BlobServiceClient, tmp_path: Path, code: int, uploaded: set[str]
) -> None:
    url = signed(account, "w")
    launch = writing(
        tmp_path / "node",
        output("../stdout.txt", url, "taskcompletion", path="always.txt"),
        output("../stdout.txt", url, "TaskSuccess", path="good.txt"),
        output("../stdout.txt", url, "TASKFAILURE", path="bad.txt"),
        code=code,
    )
    assert run(NodeExecutor(ACCOUNT), launch).exit_code == code
    assert set(blobs(service)) == uploaded


def test_headers_of_the_upload(account: StorageAccount, service: BlobServiceClient, tmp_path: Path) -> None:
    headers = [{"name": "x-ms-blob-content-type", "value": "text/csv"}]
    launch = writing(tmp_path / "node", output("a/one.csv", signed(account, "w"), uploadHeaders=headers))
    assert run(NodeExecutor(ACCOUNT), launch).failure is None
    with service.get_blob_client("results", "one.csv") as blob:
        assert blob.get_blob_properties().content_settings.content_type == "text/csv"


@pytest.mark.parametrize(
    ("permissions", "container", "code"),
    [
        ("w", "no-such-container", "FileUploadContainerNotFound"),
        ("r", "results", "FileUploadAccessDenied"),
        ("", "results", "FileUploadAccessDenied"),
    ],
)
@pytest.mark.usefixtures("service")
def test_an_upload_that_fails_makes_the_task_fail(
    account: StorageAccount, tmp_path: Path, permissions: str, container: str, code: str
) -> None:
    url = signed(account, permissions, container) if permissions else f"{account.url}/{container}"
    launch = writing(tmp_path / "node", output("../std*.txt", url))
    outcome = run(NodeExecutor(ACCOUNT), launch)
    assert outcome.exit_code == 0
    assert outcome.failure is not None
    assert (outcome.failure["category"], outcome.failure["code"]) == ("UserError", code)
    assert "sig=" not in str(outcome.failure)
    assert code in (launch.directory / "fileuploaderr.txt").read_text()


def test_a_storage_that_does_not_answer_is_a_misc_error(tmp_path: Path) -> None:
    executor = NodeExecutor(ACCOUNT, Storage(retries=0))
    outcome = run(executor, writing(tmp_path / "node", output("../stdout.txt", "http://127.0.0.1:1/lake/results")))
    assert outcome.failure is not None
    assert outcome.failure["code"] == "FileUploadMiscError"


@pytest.mark.parametrize(
    ("pattern", "destination", "expected"),
    [
        ("one.csv", None, {"one.csv": "one.csv"}),
        ("a/two.csv", None, {"a/two.csv": "two.csv"}),
        ("a/two.csv", "x/y", {"a/two.csv": "x/y"}),
        ("*.csv", None, {"one.csv": "one.csv"}),
        ("a/*", "x/", {"a/two.csv": "x/two.csv"}),
        ("a/**", None, {"a/two.csv": "two.csv", "a/b/three.csv": "b/three.csv"}),
        ("**/t*.csv", "x", {"a/two.csv": "x/a/two.csv", "a/b/three.csv": "x/a/b/three.csv"}),
        ("[no]ne.csv", None, {"one.csv": "one.csv"}),
        ("../std???.txt", "x", {"../stdout.txt": "x/stdout.txt"}),
        ("none.csv", None, {}),
        ("nowhere/*.csv", None, {}),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, destination: str | None, expected: dict[str, str]) -> None:
    directory = tmp_path / "wd"
    for name in ("one.csv", "a/two.csv", "a/b/three.csv", "../stdout.txt"):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {path.resolve(): blob for path, blob in named_blobs(pattern, destination, directory)}
    assert found == {(directory / name).resolve(): blob for name, blob in expected.items()}


def test_through_the_service(account: StorageAccount, service: BlobServiceClient) -> None:
    """A task whose output was kept, and one whose upload failed: it has failed, and is not tried again."""

    def kept(url: str, identity: models.BatchNodeIdentityReference | None = None) -> list[models.OutputFile]:
        container = models.OutputFileBlobContainerDestination(
            container_url=url, path="out.txt", identity_reference=identity
        )
        return [
            models.OutputFile(
                file_pattern="../stdout.txt",
                destination=models.OutputFileDestination(container=container),
                upload_options=models.OutputFileUploadConfiguration(upload_condition="taskcompletion"),
            )
        ]

    identity = models.BatchNodeIdentityReference(resource_id=IDENTITY["resourceId"])
    limits = models.BatchTaskConstraints(max_task_retry_count=3)
    with (
        running_emulator(
            speed=50, executor="processes", storage_key=f"{account.name}={account.key}", auto_storage=account.url
        ) as emulator,
        emulator.client() as batch,
    ):
        make_pool(batch)
        make_job(batch)
        good, bad = kept(f"{account.url}/results", identity), kept(signed(account, "w", "none"))
        make_task(batch, "good", "/bin/echo kept", output_files=good, constraints=limits)
        make_task(batch, "bad", "/bin/echo lost", output_files=bad, constraints=limits)
        ended = {name: await_state(batch, name).execution_info for name in ("good", "bad")}
    assert ended["good"] is not None
    assert ended["good"].result == "success"
    assert blobs(service) == {"out.txt": "kept\n"}
    assert ended["bad"] is not None
    assert (ended["bad"].result, ended["bad"].retry_count) == ("failure", 0)
    assert ended["bad"].failure_info is not None
    assert ended["bad"].failure_info.code == "FileUploadContainerNotFound"


def reading(root: Path, *resources: JsonObject) -> Launch:
    return launch_in(root, "/bin/sh -c 'find . -type f | sort'", resource_files=resources)


def test_resource_files(
    account: StorageAccount, service: BlobServiceClient, executor: NodeExecutor, tmp_path: Path
) -> None:
    with service.get_container_client("results") as results:
        for name in ("in/a.txt", "in/deep/b.txt", "out/c.txt"):
            results.upload_blob(name, name).close()
    launch = reading(
        tmp_path / "node",
        {"httpUrl": signed(account, "r").replace("results?", "results/in/a.txt?"), "filePath": "one.txt"},
        {
            "httpUrl": f"{account.url}/results/out/c.txt",
            "filePath": "two.sh",
            "identityReference": IDENTITY,
            "fileMode": "0755",
        },
        {"storageContainerUrl": signed(account, "rl"), "blobPrefix": "in/", "filePath": "folder"},
        {"autoStorageContainerName": "results", "blobPrefix": "out/"},
    )
    assert run(executor, launch).failure is None
    found = stdout(launch).split()
    assert found == ["./folder/in/a.txt", "./folder/in/deep/b.txt", "./one.txt", "./out/c.txt", "./two.sh"]
    assert (launch.directory / "wd" / "one.txt").read_text() == "in/a.txt"
    assert (launch.directory / "wd" / "two.sh").stat().st_mode & 0o777 == 0o755


def test_a_resource_file_from_any_web_server(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "tool.txt").write_bytes(b"x" * 300_000)
    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        launch = reading(tmp_path / "node", {"httpUrl": f"http://127.0.0.1:{server.server_port}/tool.txt"})
        assert run(NodeExecutor(ACCOUNT), launch).failure is None
        server.shutdown()
    assert (launch.directory / "wd" / "tool.txt").stat().st_size == 300_000


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Nothing: a test's output is its own."""


def test_resource_files_that_cannot_be_had(account: StorageAccount, service: BlobServiceClient, tmp_path: Path) -> None:
    with service.get_container_client("results") as results:
        results.upload_blob("a.txt", "a").close()
    read, write = signed(account, "r"), signed(account, "w")
    expected = {
        read.replace("results?", "results/none.txt?"): ("UserError", "BlobNotFound"),
        write.replace("results?", "results/a.txt?"): ("UserError", "BlobAccessDenied"),
        "http://127.0.0.1:1/a.txt": ("ServerError", "BlobDownloadMiscError"),
    }
    for number, (url, words) in enumerate(expected.items()):
        launch = reading(tmp_path / f"node{number}", {"httpUrl": url, "filePath": "a.txt"})
        outcome = run(NodeExecutor(ACCOUNT), launch)
        assert outcome.failure is not None
        assert (outcome.exit_code, outcome.failure["category"], outcome.failure["code"]) == (None, *words)
        assert "sig=" not in str(outcome.failure)
        assert stdout(launch) == ""


def test_without_a_linked_account_there_is_no_auto_storage(tmp_path: Path) -> None:
    outcome = run(NodeExecutor(ACCOUNT), reading(tmp_path / "node", {"autoStorageContainerName": "results"}))
    assert outcome.failure is not None
    assert outcome.failure["code"] == "BlobAccessDenied"


@pytest.mark.parametrize("name", ["../../outside.txt", "a/../../../outside.txt"])
@pytest.mark.usefixtures("service")
def test_a_resource_file_stays_in_the_working_directory(account: StorageAccount, tmp_path: Path, name: str) -> None:
    launch = reading(tmp_path / "node", {"httpUrl": signed(account, "r"), "filePath": name})
    outcome = run(NodeExecutor(ACCOUNT), launch)
    assert outcome.failure is not None
    assert outcome.failure["code"] == "ResourceDirectoryCreateFailed"


def test_a_full_disk_is_told(account: StorageAccount, service: BlobServiceClient, tmp_path: Path) -> None:
    """/dev/full is a disk without room."""
    with service.get_container_client("results") as results:
        results.upload_blob("a.txt", "a" * 100_000).close()
    url = signed(account, "r").replace("results?", "results/a.txt?")
    launch = reading(tmp_path / "node", {"httpUrl": url, "filePath": "a.txt"})
    (launch.directory / "wd").mkdir(parents=True)
    (launch.directory / "wd" / "a.txt").symlink_to("/dev/full")
    outcome = run(NodeExecutor(ACCOUNT), launch)
    assert outcome.failure is not None
    assert (outcome.failure["category"], outcome.failure["code"]) == ("ServerError", "DiskFull")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://lake.blob.core.windows.net/results?sig=x", "lake"),
        ("http://127.0.0.1:10000/lake/results", "lake"),
        ("http://localhost:10000/lake/results", "lake"),
        ("http://azurite:10000/lake/results", "lake"),
    ],
)
def test_the_account_of_a_url(url: str, name: str) -> None:
    assert account_name(url) == name
