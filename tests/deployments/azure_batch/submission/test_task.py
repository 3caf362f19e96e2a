"""What of a configuration the task has, that it is written whole, and the same each time."""

import json
from uuid import uuid4

import pytest
from prefect.settings import (
    PREFECT_API_KEY,
    temporary_settings,
)

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.submission.task import build_task, command_line, environment_of
from tests.deployments.azure_batch.configuration.prepared import prepared, task_of

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://example.vault.azure.net/secrets/key)"
# What the task shows of each variable; the others are no affair of the task, and shown where they are used.
IN_THE_TASK = {
    "image": "example.azurecr.io/etl:2",
    "registry": {"server": "example.azurecr.io", "identity": "/subscriptions/x"},
    "command": "other",
    "launcher": "tini --",
    "env": {"A": "1"},
    "secrets": {"TOKEN": REFERENCE},
    "required_slots": 2,
    "cpu": 1.5,
    "memory": "4g",
    "shm_size": "1g",
    "mounts": ["/mnt:/data"],
    "container_options": "--init",
    "working_directory": "taskWorkingDirectory",
    "user": "pool-admin",
    "wall_clock_limit": 60,
    "retention": 60,
    "batch_retries": 2,
    "on_requeue": "crash",
    "uploads": [{"container_url": "https://example.blob.core.windows.net/logs"}],
    "name": "other",
    "labels": {"team": "prices"},
}
ELSEWHERE = {
    "credentials": "test_flow_runs",
    "pool_id": "test_pools",
    "new_pool": "test_pools",
    "temporary_pool": "test_pools",
    "allow_plaintext_secrets": "test_environment",
    "stream_output": "test_flow_runs",
    "cancel_grace": "test_flow_runs",
    "priority": "test_reporter",
}


@pytest.mark.parametrize(("name", "value"), IN_THE_TASK.items())
def test_every_variable_has_an_effect(name, value):
    run = uuid4()
    usual = build_task("task", run, AzureBatchJobConfiguration(image="x")).as_dict()
    assert build_task("task", run, AzureBatchJobConfiguration(**({"image": "x"} | {name: value}))).as_dict() != usual


def test_no_variable_is_forgotten():
    assert IN_THE_TASK.keys() | ELSEWHERE.keys() == AzureBatchJobConfiguration.__annotations__.keys()


def test_a_reference_is_written_though_the_worker_has_no_secret():
    configuration = AzureBatchJobConfiguration(secrets={"PREFECT_API_KEY": REFERENCE})
    with temporary_settings(restore_defaults={PREFECT_API_KEY}):
        assert environment_of(configuration)["PREFECT_API_KEY"] == REFERENCE


def test_a_configuration_gives_the_same_task_twice():
    configuration = AzureBatchJobConfiguration(**IN_THE_TASK)
    before, run = configuration.model_dump(), uuid4()
    first = build_task("task", run, configuration).as_dict()
    assert build_task("task", run, configuration).as_dict() == first
    assert configuration.model_dump() == before


def test_long_names_fit():
    task = build_task("task", uuid4(), AzureBatchJobConfiguration(name="long " * 1000))
    assert task.display_name
    assert len(task.display_name) == 1024  # the most that the service takes


def test_what_starts_the_run_depends_on_what_there_is():
    assert command_line(prepared(image="x")) == "prefect flow-run execute"
    assert command_line(prepared()) == "python -m batch_launcher prefect flow-run execute"
    assert command_line(prepared(image="x", launcher="tini --", command="a b")) == "tini -- a b"


def test_a_task_has_all_that_was_asked_for():
    task = task_of(
        prepared(
            image="example.azurecr.io/etl:1",
            registry={"server": "example.azurecr.io", "identity": "/subscriptions/x"},
            cpu=1.5,
            memory="4g",
            mounts=["/mnt:/data:ro"],
            container_options="--init",
            required_slots=2,
            user="pool-admin",
            wall_clock_limit=90,
            batch_retries=1,
            uploads=[{"container_url": "https://example.blob.core.windows.net/logs", "identity": "/subscriptions/x"}],
            labels={"team": "prices"},
        )
    )
    container = task["containerSettings"]
    assert container["containerRunOptions"] == "--rm --cpus 1.5 --memory 4g --volume /mnt:/data:ro --init"
    assert container["registry"]["identityReference"] == {"resourceId": "/subscriptions/x"}
    assert task["displayName"] == "quiet-otter"
    assert task["requiredSlots"] == 2
    assert task["constraints"] == {"maxWallClockTime": "PT01M30S", "retentionTime": "P1D", "maxTaskRetryCount": 1}
    assert task["userIdentity"] == {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}
    assert task["outputFiles"][0]["destination"]["container"]["path"] == "task"
    labels = next(s["value"] for s in task["environmentSettings"] if s["name"] == "AZURE_BATCH_LABELS")
    assert json.loads(labels)["team"] == "prices"
