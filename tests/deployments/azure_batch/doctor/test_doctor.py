"""The doctor: all is well with a work pool that works, and each thing that can be wrong is said, with what to do."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from azure.batch import models
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.settings import PREFECT_API_KEY, PREFECT_API_URL, temporary_settings
from prefect_azure import AzureBlobStorageCredentials

from azure_batch_emulator.running_emulator import running_emulator
from prefect_azure_batch import AzureBatchCredentials, AzureBatchWorker
from prefect_azure_batch.__main__ import main
from prefect_azure_batch.doctor.image import parse_reference
from prefect_azure_batch.service.identifiers import job_prefix
from tests.deadline import until
from tests.deployments.azure_batch.stage import PATIENCE, create_pool, make_stage
from tests.servers.azurite import azurite  # noqa: F401 - a fixture
from tests.servers.azurite import client as blobs

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://example.vault.azure.net/secrets/key)"


@pytest.fixture(scope="module")
def emulator():
    with running_emulator(speed=0, executor="processes", dedicated_cores=40) as found:
        create_pool(found)
        create_pool(found, "containers", containers=True)
        create_pool(found, "empty", nodes=0)
        found.advance("PT5M")
        yield found


@pytest.fixture
def stage(prefect_api, emulator):
    return make_stage(prefect_api, emulator, launcher=None, command=None)


@pytest.fixture
def doctor(stage, capfd, monkeypatch):
    """What it says, by check, and its exit code, for a work pool whose defaults are changed by `set` before."""
    monkeypatch.setenv("COLUMNS", "4000")

    def examined(*assignments: str) -> tuple[int, dict[str, tuple[str, str]]]:
        if assignments:
            assert main(["set", "--pool", stage.work_pool, *assignments]) == 0, capfd.readouterr().err
        capfd.readouterr()
        code = main(["doctor", "--pool", stage.work_pool])
        return code, table(capfd.readouterr().out)

    return examined


def table(text: str) -> dict[str, tuple[str, str]]:
    """The result of each check, and what was found with what to do."""
    found: dict[str, tuple[str, str]] = {}
    last = ""
    for line in text.splitlines():
        if not line.startswith("│"):
            continue
        check, result, *rest = (cell.strip() for cell in line.strip("│").split("│"))
        last = check or last
        before = found.get(last, (result, ""))
        found[last] = before[0], f"{before[1]} {' '.join(rest)}".strip()
    return found


def test_a_work_pool_that_works_passes(stage, doctor, azurite):  # noqa: F811
    account = azurite.account()
    name = save_storage(account, account.key)
    assert main(["storage", "--pool", stage.work_pool, "--container", "code", "--credentials-block", name]) == 0
    with stage.worker("the-worker"):
        until(lambda: doctor()[1]["Workers"][0] == "passed", PATIENCE)
        code, found = doctor()
    assert {check: result for check, (result, _) in found.items() if result != "passed"} == {
        "Autoscale formula": "skipped",
        "Image": "skipped",
        "Prefetched image": "skipped",
    }
    assert code == 0
    assert "the-worker" in found["Workers"][1]
    assert "2 dedicated" in found["Pool size"][1]


@pytest.mark.parametrize(
    ("assignments", "check", "result", "words"),
    [
        (["credentials="], "Credentials", "failed", "credentials=BLOCK"),
        (["pool_id="], "Batch pool", "failed", "pool_id=ID"),
        (["pool_id=no-such"], "Batch pool", "failed", "no pool no-such"),
        (["pool_id=no-such", "new_pool.vm_size=x"], "Batch pool", "passed", "The first run makes it"),
        (["temporary_pool=true", "new_pool.vm_size=x"], "Batch pool", "skipped", "of its own"),
        (["required_slots=99"], "Batch pool", "failed", "99 are asked for"),
        (["pool_id=containers"], "Batch pool", "failed", "run containers only"),
        (["image=127.0.0.1:1/etl:1"], "Batch pool", "failed", "do not run containers"),
        (["pool_id=empty"], "Pool size", "failed", "does not scale by itself"),
        (["env.DB_PASSWORD=hush"], "Secrets", "failed", "DB_PASSWORD"),
        (["env.URL=postgresql://me:hush@db/x"], "Secrets", "failed", "URL"),
        ([f"secrets.PREFECT_API_KEY={REFERENCE}"], "Secrets", "passed", "PREFECT_API_KEY"),
        (["allow_plaintext_secrets=true"], "Secrets", "warning", "PREFECT_API_KEY"),
        (["env.PREFECT_FLOWS_HEARTBEAT_FREQUENCY=900"], "Launcher", "failed", "could not tell"),
        (["on_requeue=always"], "Launcher", "warning", "runs again"),
        (["image=Not A Name"], "Image", "failed", "not the name of an image"),
        (["image=127.0.0.1:1/etl"], "Image", "warning", "another image tomorrow"),
        (["image=a.io/etl:1", "registry.server=b.io", "registry.identity=i"], "Registry", "failed", "signs in to b.io"),
    ],
)
def test_what_is_wrong_with_the_variables_is_said(doctor, assignments, check, result, words):
    code, found = doctor(*assignments)
    assert found[check][0] == result, found
    assert words in found[check][1]
    assert "hush" not in json.dumps(found)
    assert code == 1  # no worker is online, at the least


@pytest.fixture(scope="module")
def pool_of_images(emulator):
    """The id of a pool of an image with containers, which prefetches others."""

    def made(sku: str, agent: str, *prefetched: str) -> str:
        offer = (
            ("microsoft-dsvm", "ubuntu-hpc") if sku.isdigit() else ("microsoft-azure-batch", "ubuntu-server-container")
        )
        configuration = models.VirtualMachineConfiguration(
            image_reference=models.BatchVmImageReference(publisher=offer[0], offer=offer[1], sku=sku),
            node_agent_sku_id=agent,
            container_configuration=models.BatchContainerConfiguration(
                type="dockerCompatible", container_image_names=list(prefetched)
            ),
        )
        pool = models.BatchPoolCreateOptions(
            id=f"images-{uuid4().hex[:6]}", vm_size="STANDARD_D2S_V5", virtual_machine_configuration=configuration
        )
        with emulator.client() as client:
            client.create_pool(pool)
        return pool.id

    return made


def test_what_deployments_and_nodes_say_of_the_image_is_compared(stage, doctor, pool_of_images):
    pool = pool_of_images("2404", "batch.node.ubuntu 24.04", "127.0.0.1:1/etl:2")
    stage.deploy("hello", image="127.0.0.1:1/etl:1")

    _, found = doctor(f"pool_id={pool}", "image=127.0.0.1:1/etl:2", "launcher=")
    assert found["Prefetched image"][0] == "passed"
    assert found["Deployments"][0] == "warning"
    assert "in 127.0.0.1:1/etl:1" in found["Deployments"][1]
    _, found = doctor("image=127.0.0.1:1/etl:1")
    assert found["Deployments"][0] == "passed"
    assert found["Prefetched image"][0] == "warning"


def test_a_system_of_the_nodes_whose_support_ends_is_told(doctor, pool_of_images):
    old = pool_of_images("20-04-lts", "batch.node.ubuntu 20.04")
    found = doctor(f"pool_id={old}")[1]["Nodes' system"]
    assert found[0] == "warning"
    assert "until 2025-04-23" in found[1]
    other = pool_of_images("9999", "batch.node.ubuntu 24.04")
    assert "not among the images" in doctor(f"pool_id={other}")[1]["Nodes' system"][1]


def test_no_worker_is_online(stage, doctor):
    code, found = doctor()
    assert (code, found["Workers"][0]) == (1, "failed")
    assert f"prefect worker start --pool {stage.work_pool}" in found["Workers"][1]
    assert found["Bundle storage"][0] == "skipped"


def test_an_old_template_is_told(stage, doctor):
    template = AzureBatchWorker.get_default_base_job_template()
    del template["variables"]["properties"]["on_requeue"], template["job_configuration"]["on_requeue"]
    write(stage.work_pool, template)
    assert doctor()[1]["Template"][0] == "failed"
    template = AzureBatchWorker.get_default_base_job_template()
    template["variables"]["properties"]["image"]["description"] = "Otherwise"
    write(stage.work_pool, template)
    assert doctor()[1]["Template"][0] == "warning"
    _, found = doctor("image=")
    assert found["Template"][0] == "passed"


def test_a_value_that_is_not_valid_is_told(stage, doctor):
    template = AzureBatchWorker.get_default_base_job_template()
    template["variables"]["properties"]["memory"]["default"] = "4g"
    write(stage.work_pool, template)
    code, found = doctor()
    assert (code, found["Variables"][0]) == (1, "failed")
    assert "which needs image" in found["Variables"][1]


@pytest.mark.parametrize("name", ["no-such-pool", "another-type"])
def test_a_work_pool_that_is_none_of_ours_is_told(prefect_api, name, capsys):
    if name == "another-type":
        name = f"{name}-{uuid4().hex[:6]}"
        with get_client(sync_client=True) as client:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    assert main(["doctor", "--pool", name]) == 1
    assert "Work pool" in capsys.readouterr().out


def test_a_prefect_that_does_not_answer_is_told(capsys):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        assert main(["doctor", "--pool", "any"]) == 1
    told = capsys.readouterr().out
    assert "PREFECT_API_URL" in told


@pytest.mark.parametrize(
    ("endpoint", "key", "words"),
    [(None, "d3Jvbmc=", "AuthenticationFailed"), ("http://127.0.0.1:1", None, "Check the endpoint")],
)
def test_an_account_that_does_not_let_us_in_is_told(stage, doctor, emulator, endpoint, key, words):
    block = AzureBatchCredentials(
        endpoint=endpoint or emulator.endpoint, account_name=emulator.account, account_key=key or emulator.key
    )
    name = f"wrong-{uuid4().hex[:8]}"
    block.save(name)
    code, found = doctor(f"credentials={name}")
    assert (code, found["Batch account"][0]) == (1, "failed")
    assert words in found["Batch account"][1]
    assert "Batch pool" not in found


def test_nodes_elsewhere_cannot_reach_a_prefect_on_this_machine(doctor):
    name = f"far-{uuid4().hex[:8]}"
    AzureBatchCredentials(endpoint="https://account.invalid", account_key="d3Jvbmc=").save(name)
    _, found = doctor(f"credentials={name}")
    assert found["Prefect from the nodes"][0] == "failed"


def test_a_key_of_the_worker_is_named_when_it_may_be_written(doctor):
    doctor("allow_plaintext_secrets=true")
    with temporary_settings({PREFECT_API_KEY: "hush"}):
        assert "PREFECT_API_KEY" in doctor()[1]["Secrets"][1]


def test_a_resize_that_failed_is_told(emulator, doctor):
    create_pool(emulator, "large", nodes=30)
    emulator.advance("PT5M")
    code, found = doctor("pool_id=large")
    with emulator.client() as client:
        client._delete_pool_internal("large")
    assert (code, found["Pool size"][0]) == (1, "failed")
    assert "AccountCoreQuotaReached" in found["Pool size"][1]


def test_a_formula_that_fails_is_told_and_one_that_works_is_shown(emulator, doctor):
    create_pool(emulator, "good", formula="$TargetDedicatedNodes = 0;")
    create_pool(emulator, "bad", formula="$TargetDedicatedNodes = 1 / 0;")
    assert "$TargetDedicatedNodes=0" in doctor("pool_id=good")[1]["Autoscale formula"][1]
    code, found = doctor("pool_id=bad")
    assert (code, found["Autoscale formula"][0]) == (1, "failed")


def test_broken_nodes_are_told_with_the_log_of_their_start_task(emulator, doctor):
    create_pool(emulator, "strict", nodes=1, start="/bin/sh -c 'echo no such disk >&2; exit 3'")
    emulator.advance("PT5M")
    emulator.advance("PT1M")
    code, found = doctor("pool_id=strict")
    assert (code, found["Nodes"][0]) == (1, "failed")
    assert "exit code 3" in found["Nodes"][1]
    assert "no such disk" in found["Nodes"][1]


def test_jobs_near_the_quota_are_told(emulator, stage, doctor):
    with get_client(sync_client=True) as client:
        pool = client.read_work_pool(stage.work_pool)
    ids = [f"{job_prefix(pool.name, pool.id)}many-{n}" for n in range(81)]
    with emulator.client() as client:
        for name in ids:
            client.create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id="nodes")))
        found = doctor()[1]
        for name in ids:
            client._delete_job_internal(name)
    assert found["Job quota"][0] == "warning"
    assert "81 of them ours" in found["Job quota"][1]


def test_bundle_storage_that_cannot_be_read_is_told(stage, doctor, azurite):  # noqa: F811
    account = azurite.account()
    name = save_storage(account, account.key)
    assert main(["storage", "--pool", stage.work_pool, "--container", "code", "--credentials-block", name]) == 0
    assert doctor()[1]["Bundle storage"][0] == "passed"
    with blobs(account) as service:
        service.delete_container("code")
    code, found = doctor()
    assert (code, found["Bundle storage"][0]) == (1, "failed")
    assert "ContainerNotFound" in found["Bundle storage"][1]
    AzureBlobStorageCredentials.delete(name)
    assert "does not exist" in doctor()[1]["Bundle storage"][1]


class Registry(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401 if self.path == "/v2/" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_registry_has_to_answer(doctor, registry):
    found = doctor("pool_id=containers", f"image={registry}/etl:1")[1]
    assert found["Registry"][0] == "passed"
    found = doctor("image=127.0.0.1:1/etl:1")[1]
    assert found["Registry"][0] == "failed"
    assert "does not answer" in found["Registry"][1]


@pytest.mark.parametrize(
    ("image", "server", "path", "version"),
    [
        ("python:3.11", "registry-1.docker.io", "python", "3.11"),
        ("team/etl", "registry-1.docker.io", "team/etl", ""),
        ("example.azurecr.io/a/b_c:1.2-x", "example.azurecr.io", "a/b_c", "1.2-x"),
        ("localhost:5000/etl", "localhost:5000", "etl", ""),
        ("host:5000/etl:1", "host:5000", "etl", "1"),
        (f"x.io/etl@sha256:{'a' * 64}", "x.io", "etl", f"sha256:{'a' * 64}"),
    ],
)
def test_the_name_of_an_image(image, server, path, version):
    found = parse_reference(image)
    assert found
    assert (found.server, found.path, found.version) == (server, path, version)


@pytest.mark.parametrize("image", ["Upper/etl", "a b", "x.io/", "x.io/etl:", "https://x.io/etl", "x.io/etl@sha256:1"])
def test_what_is_no_name_of_an_image(image):
    assert parse_reference(image) is None


def write(work_pool: str, template: dict[str, Any]) -> None:
    """With the credentials and the pool that it had."""
    with get_client(sync_client=True) as client:
        old = client.read_work_pool(work_pool).base_job_template["variables"]["properties"]
        for name in ("credentials", "pool_id"):
            template["variables"]["properties"][name]["default"] = old[name]["default"]
        client.update_work_pool(work_pool, WorkPoolUpdate(base_job_template=template))


def save_storage(account, key: str) -> str:
    name = f"storage-{uuid4().hex[:8]}"
    parts = f"AccountName={account.name};AccountKey={key};BlobEndpoint={account.url};"
    AzureBlobStorageCredentials(connection_string=f"DefaultEndpointsProtocol=http;{parts}").save(name)
    return name
