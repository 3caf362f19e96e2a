"""The environment of a task: not that of the worker, and without a secret in clear."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkPool
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_WORKER_QUERY_SECONDS,
    temporary_settings,
)

from prefect_azure_batch.configuration.base_job_template import base_job_template
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.service.errors import ConfigurationError
from tests.deployments.azure_batch.configuration.prepared import environment, prepared

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://example.vault.azure.net/secrets/prefect-key)"


def test_the_environment_of_a_task_is_not_that_of_the_worker():
    settings = {
        PREFECT_API_URL: "http://prefect.example/api",
        PREFECT_HOME: "/home/worker",
        PREFECT_WORKER_QUERY_SECONDS: 3,
    }
    with temporary_settings(settings):
        found = environment(prepared(env={"MODE": "test", "GONE": None, "PREFECT_SERVER_API_PORT": "1"}))
    assert found["PREFECT_API_URL"] == "http://prefect.example/api"
    assert found["MODE"] == "test"
    assert found["PREFECT_SERVER_API_PORT"] == "1"  # who asks for it gets it
    assert found["PREFECT__FLOW_RUN_ID"]
    assert found["AZURE_BATCH_ON_REQUEUE"] == "rerun"
    assert not {"PREFECT_HOME", "PREFECT_WORKER_QUERY_SECONDS", "GONE"} & found.keys()


@pytest.mark.parametrize("setting", [PREFECT_API_KEY, PREFECT_API_AUTH_STRING])
def test_a_secret_of_the_worker_is_never_written_in_clear(setting):
    with temporary_settings({setting: "hush"}):
        with pytest.raises(ConfigurationError, match=setting.name) as refused:
            environment(prepared())
        referred = environment(prepared(secrets={setting.name: REFERENCE}))
        permitted = environment(prepared(allow_plaintext_secrets=True))
    assert "hush" not in str(refused.value)
    assert referred[setting.name] == REFERENCE
    assert permitted[setting.name] == "hush"


KEY = "YmF0Y2gga2V5IG9mIHRoZSB3b3JrZXI="
CREDENTIALS = {"endpoint": "https://x.batch.azure.com", "account_name": "x", "account_key": KEY}


@pytest.mark.parametrize(
    "value",
    [
        "pnu_of_the_worker",
        "Bearer pnu_of_the_worker",
        KEY,
        "postgresql://etl:hush@db.example/prices",
        "redis://:hush@cache.example",
        "https://lake.blob.core.windows.net/raw?sv=2024-08-04&sig=aHVzaA%3D%3D",
        "sv=2024-08-04&sig=aHVzaA%3D%3D",
        "DefaultEndpointsProtocol=https;AccountName=lake;AccountKey=aHVzaA==;EndpointSuffix=core.windows.net",
        "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=aHVzaA==",
        "Driver={ODBC Driver 18 for SQL Server};Server=db.example;UID=etl;PWD=hush",
    ],
)
def test_a_value_that_gives_a_secret_away_is_refused_by_its_name_and_not_repeated(value):
    given: dict[str, Any] = {"credentials": CREDENTIALS, "env": {"MODE": "test", "STORE": value}}
    with temporary_settings({PREFECT_API_KEY: "pnu_of_the_worker"}):
        with pytest.raises(ConfigurationError, match=r"^STORE: a secret .* secrets, in place of env") as refused:
            environment(prepared(**given, secrets={"PREFECT_API_KEY": REFERENCE}))
        assert environment(prepared(**given, allow_plaintext_secrets=True))["STORE"] == value
    assert not [word for word in ("hush", "aHVzaA", "pnu_", KEY) if word in str(refused.value)]


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://etl@db.example/prices",
        "http://127.0.0.1:10000/devstoreaccount1",
        "mssql://db.example:1433/prices?client_id=7c5d",
        "https://lake.blob.core.windows.net/raw",
        "https://lake.blob.core.windows.net/raw?signature=none",
        "git@github.com:etl/flows.git",
        "Server=db.example;Authentication=ActiveDirectoryMsi;Pwd=",
        "etl",
        REFERENCE,
    ],
)
def test_what_is_no_secret_may_stand_in_env(value):
    uploads = [{"container_url": "https://lake.blob.core.windows.net/raw"}]
    assert environment(prepared(env={"STORE": value}, uploads=uploads))["STORE"] == value


def test_the_value_of_a_secret_block_is_refused_wherever_it_is_named(prefect_api):
    """By the work pool, the deployment or the run; a plain value that replaces the reference is none."""
    Secret(value="hush").save(name := f"token-{uuid4().hex[:8]}")
    reference = {"env": {"TOKEN": f"{{{{ prefect.blocks.secret.{name} }}}}"}}
    plain = {"env": {"TOKEN": "none"}}
    for pool, deployment, run in [(reference, {}, {}), ({}, reference, {}), (plain, plain, reference)]:
        with pytest.raises(ConfigurationError, match=r"^TOKEN: a secret") as refused:
            environment(resolved(pool, deployment, run))
        assert "hush" not in str(refused.value)
    assert environment(resolved(reference, {"env": {"MODE": "test"}}, plain))["TOKEN"] == "none"


def resolved(pool: dict[str, Any], deployment: dict[str, Any], run: dict[str, Any]) -> AzureBatchJobConfiguration:
    """As a worker resolves it: with these defaults of the work pool, and job variables of a deployment and a run."""

    async def resolve() -> AzureBatchJobConfiguration:
        template = base_job_template()
        for name, value in pool.items():
            template["variables"]["properties"][name]["default"] = value
        async with get_client() as client:
            flow = await client.create_flow_from_name("resolved")
            made = await client.create_deployment(flow_id=flow, name=uuid4().hex, job_variables=deployment)
            of_deployment = await client.create_flow_run_from_deployment(made, job_variables=run)
            return await AzureBatchJobConfiguration.resolve_for_flow_run(
                await client.read_flow_run(of_deployment.id),
                client=client,
                work_pool=WorkPool(
                    name="resolved", type="azure-batch", base_job_template=template, default_queue_id=uuid4()
                ),
                worker_name="w",
            )

    return asyncio.run(resolve())


def test_a_reference_may_stand_in_env_too():
    with temporary_settings({PREFECT_API_KEY: "hush"}):
        assert environment(prepared(env={"PREFECT_API_KEY": REFERENCE}))["PREFECT_API_KEY"] == REFERENCE
