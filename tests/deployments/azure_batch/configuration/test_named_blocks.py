"""How a deployment says its account and other secrets, by `prefect deploy`: by the name of a block, never in clear."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from azure_batch_emulator.running_emulator import Emulator
from prefect_azure_batch import AzureBatchCredentials, AzureBatchWorker
from prefect_azure_batch.configuration.named_blocks import secrets_in_clear
from tests.deployments.azure_batch.stage import (
    FOREVER,
    Stage,
    abandon,
    create_pool,
    is_final,
    make_stage,
    new_worker,
    tasks_of,
    until,
)

FLOW = "from prefect import flow\n\n\n@flow\ndef plain() -> None: ...\n"
KEY = "dGhlIGtleSBpbiBjbGVhcg=="
SIGNED = "https://account.blob.example/logs?sv=2024-05-04&sig=c2lnbmF0dXJl"


@pytest.fixture
def block() -> str:
    """Of an account that is not there."""
    name = f"elsewhere-{uuid4().hex[:6]}"
    AzureBatchCredentials(endpoint="http://127.0.0.1:1", account_name="a", account_key=KEY).save(name)
    return name


@pytest.fixture(scope="module", autouse=True)
def containers(emulator: Emulator) -> None:
    create_pool(emulator, "containers", nodes=0, containers=True)


def deploy(stage: Stage, folder: Path, **variables: object) -> "subprocess.CompletedProcess[str]":
    """`prefect deploy` of a `prefect.yaml` with these job variables."""
    work_pool = {"name": stage.work_pool, "job_variables": {"env": FOREVER, **variables}}
    deployment = {"name": stage.work_pool, "entrypoint": "flows.py:plain", "work_pool": work_pool, "pull": []}
    (folder / "flows.py").write_text(FLOW, encoding="utf-8")
    (folder / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [deployment]}), encoding="utf-8")
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    given = os.environ | {"PREFECT_API_URL": stage.api}
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=300, check=False)


def deployed(stage: Stage) -> Any:
    with stage.client() as client:
        return client.read_deployment_by_name(f"plain/{stage.work_pool}")


def submitted(stage: Stage, run: UUID) -> Any:
    """The run, once it has a task or has ended."""

    async def work() -> None:
        async with new_worker(stage) as worker:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid or is_final(stage, run)())
            abandon(worker)

    asyncio.run(work())
    return stage.read(run)


def references(block: str) -> dict[str, object]:
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(block, "azure-batch-credentials")
    return {
        "placeholder": f"{{{{ prefect.blocks.azure-batch-credentials.{block} }}}}",
        "reference": {"$ref": {"block_document_id": str(document.id)}},
    }


@pytest.mark.parametrize("kind", ["placeholder", "reference"])
def test_what_prefect_deploy_resolves_is_refused_without_its_secret(
    stage: Stage, block: str, tmp_path: Path, kind: str
) -> None:
    done = deploy(stage, tmp_path, credentials=references(block)[kind])
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "credentials: NAME" in said
    assert KEY not in said
    with stage.client() as client, pytest.raises(ObjectNotFound):
        client.read_deployment_by_name(f"plain/{stage.work_pool}")


def test_a_block_is_named_by_a_deployment_and_resolved_for_its_run(
    prefect_api: str, emulator: Emulator, block: str, tmp_path: Path
) -> None:
    """The work pool's own is of an account that is not there."""
    named = make_stage(prefect_api, emulator, credentials=references(block)["reference"])
    own = AzureBatchCredentials(
        endpoint=emulator.endpoint,
        account_name=emulator.account,
        account_key=emulator.key,
    )
    own.save(name := f"own-{uuid4().hex[:6]}")
    done = deploy(named, tmp_path, credentials=name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed(named).job_variables["credentials"] == name
    run = named.start(deployed(named).id)
    assert submitted(named, run).infrastructure_pid, named.states(run)
    assert len(tasks_of(named, run)) == 1


def test_a_name_that_no_block_has_is_told(stage: Stage) -> None:
    run = stage.start(stage.deploy("hello", credentials="no-such-block"))
    assert "Block not found: 'no-such-block'" in submitted(stage, run).state.message


def test_a_key_that_a_deployment_holds_already_is_told_and_its_run_refused(
    stage: Stage, block: str, tmp_path: Path
) -> None:
    """As with a work pool that was made by an older version, whose server refuses nothing."""
    change_template(stage, "dependentSchemas")
    done = deploy(stage, tmp_path, credentials=references(block)["placeholder"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed(stage).job_variables["credentials"]["account_key"] == KEY  # which is the fault
    run = stage.start(deployed(stage).id)
    message = submitted(stage, run).state.message
    assert f"deployment '{stage.work_pool}' hold a secret in clear (credentials.account_key)" in message
    assert "credentials: NAME" in message
    assert "renew" in message
    assert KEY not in message + "".join(stage.logs(run))
    assert not tasks_of(stage, run)


def test_a_run_of_such_a_deployment_is_refused_by_the_server_once_its_work_pool_is_up_to_date(stage: Stage) -> None:
    change_template(stage, "dependentSchemas")
    deployment = stage.deploy("hello", credentials={"endpoint": "http://127.0.0.1:1", "account_key": KEY})
    change_template(stage)
    with pytest.raises(PrefectHTTPStatusError, match="credentials: NAME") as refused:
        stage.start(deployment)
    assert KEY not in str(refused.value)


def change_template(stage: Stage, *without: str) -> None:
    with stage.client() as client:
        template = client.read_work_pool(stage.work_pool).base_job_template
        variables = AzureBatchWorker.get_default_base_job_template()["variables"]
        template["variables"] = variables | {"properties": template["variables"]["properties"]}
        for name in without:
            del template["variables"][name]
        client.update_work_pool(stage.work_pool, WorkPoolUpdate(base_job_template=template))


@pytest.fixture(scope="module")
def secrets(prefect_api: str) -> dict[str, str]:
    """Names of Secret blocks, of a registry's password and of a container's signed URL."""
    names = {kind: f"{kind}-{uuid4().hex[:6]}" for kind in ("password", "container")}
    Secret(value="hush").save(names["password"])
    Secret(value=SIGNED).save(names["container"])
    return names


def of_secrets(password: str, container: str) -> dict[str, Any]:
    registry = {"server": "x.io", "username": "me", "password": password}
    return {"image": "x.io/etl:1", "registry": registry, "uploads": [{"container_url": container}]}


@pytest.mark.parametrize(
    ("password", "container", "right_way"),
    [
        ("hush", "https://account.blob.example/logs", "`password: prefect.blocks.secret.NAME`"),
        ("prefect.blocks.secret.any", SIGNED, "`container_url: prefect.blocks.secret.NAME`"),
    ],
)
def test_a_password_or_signature_as_prefect_deploy_resolves_it_is_refused(
    stage: Stage, password: str, container: str, right_way: str
) -> None:
    with pytest.raises(PrefectHTTPStatusError) as refused:
        stage.deploy("hello", **of_secrets(password, container))
    assert right_way in str(refused.value)
    assert "hush" not in str(refused.value)
    assert "sig=" not in str(refused.value)


def test_a_password_and_a_signature_are_named_by_a_deployment_and_resolved_for_its_run(
    stage: Stage, secrets: dict[str, str], tmp_path: Path
) -> None:
    named = {kind: f"prefect.blocks.secret.{name}" for kind, name in secrets.items()}
    done = deploy(stage, tmp_path, pool_id="containers", **of_secrets(**named))
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed(stage).job_variables["registry"]["password"] == named["password"]
    run = stage.start(deployed(stage).id)
    assert submitted(stage, run).infrastructure_pid, stage.states(run)
    (task,) = tasks_of(stage, run)
    assert task.container_settings.registry.username == "me"  # type: ignore[union-attr]
    assert [file.destination.container.container_url for file in task.output_files] == [SIGNED]  # type: ignore[union-attr]


def test_a_work_pool_that_holds_a_password_is_told(stage: Stage) -> None:
    with stage.client() as client:
        template = client.read_work_pool(stage.work_pool).base_job_template
        template["variables"]["properties"]["registry"]["default"] = of_secrets("hush", "")["registry"]
        client.update_work_pool(stage.work_pool, WorkPoolUpdate(base_job_template=template))
    run = stage.start(stage.deploy("hello", image="x.io/etl:1"))
    message = submitted(stage, run).state.message
    assert f"work pool '{stage.work_pool}' hold a secret in clear (registry.password)" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("variables", "secrets"),
    [
        ({"credentials": {"endpoint": "e", "account_key": KEY}}, ["credentials.account_key"]),
        ({"credentials.client_secret": "s", "credentials": {"account_key": None}}, ["credentials.client_secret"]),
        ({"registry": {"server": "x.io", "username": "me", "password": "hush"}}, ["registry.password"]),
        ({"registry.password": "hush"}, ["registry.password"]),
        ({"registry": {"password": "prefect.blocks.secret.of-registry"}}, []),
        ({"uploads": [{"container_url": "https://a.example/b"}, {"container_url": SIGNED}]}, ["uploads.container_url"]),
        ({"uploads": [{"container_url": "prefect.blocks.secret.container"}]}, []),
        ({"credentials": {"account_key": "{{ prefect.blocks.secret.key }}", "client_secret": "********"}}, []),
        ({"credentials": {"$ref": {"block_document_id": "b"}}}, []),
        ({"credentials": "azure"}, []),
        ({"image": "x"}, []),
        (None, []),
    ],
)
def test_which_secrets_stand_in_clear(variables: dict[str, Any] | None, secrets: list[str]) -> None:
    assert list(secrets_in_clear(variables)) == secrets
