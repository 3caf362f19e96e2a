"""The variables of the work pool: complete for the UI, refused by name when they are wrong, and no secret in a task."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_WORKER_QUERY_SECONDS,
    temporary_settings,
)
from pydantic import ValidationError

from deployments.azure_batch import AzureBatchWorker
from deployments.azure_batch.configuration import AzureBatchJobConfiguration
from deployments.azure_batch.errors import ConfigurationError
from deployments.azure_batch.task import build_task, command_line

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://example.vault.azure.net/secrets/prefect-key)"


def prepared(**variables: Any) -> AzureBatchJobConfiguration:
    configuration = AzureBatchJobConfiguration(**variables)
    configuration.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="quiet-otter"))
    return configuration


def task_of(configuration: AzureBatchJobConfiguration) -> dict[str, Any]:
    return build_task("task", uuid4(), configuration).as_dict()


def environment(configuration: AzureBatchJobConfiguration) -> dict[str, str]:
    return {setting["name"]: setting["value"] for setting in task_of(configuration)["environmentSettings"]}


def test_every_variable_has_a_title_and_a_description_of_its_own():
    schema = AzureBatchWorker.get_default_base_job_template()["variables"]
    fields = [*schema["properties"].items()]
    for name in ("PoolSpecification", "StartTask", "Registry", "Upload"):
        fields += schema["definitions"][name]["properties"].items()
    for name, field in fields:
        assert field.get("title"), name
        assert field.get("description"), name
    assert list(schema["properties"])[:3] == ["credentials", "pool_id", "new_pool"]


def test_the_template_uses_what_it_declares():
    template = AzureBatchWorker.get_default_base_job_template()
    assert template["job_configuration"] == {name: f"{{{{ {name} }}}}" for name in template["job_configuration"]}
    assert template["job_configuration"].keys() == template["variables"]["properties"].keys()
    json.dumps(template)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"pool_id": "no such id!"}, "pool_id"),
        ({"required_slots": 0}, "required_slots"),
        ({"image": "x", "memory": "much"}, "memory"),
        ({"wall_clock_limit": -1}, "wall_clock_limit"),
        ({"wall_clock_limit": 1e300}, "wall_clock_limit"),
        ({"retention": 1e18}, "retention"),
        ({"env": {"A=B": "x"}}, "A=B"),
        ({"env": {"": "x"}}, "env"),
        ({"on_requeue": "perhaps"}, "on_requeue"),
        ({"batch_retries": -2}, "batch_retries"),
        ({"priority": 1001}, "priority"),
        ({"secrets": {"TOKEN": "plain"}}, "TOKEN"),
        ({"secrets": {"A-B": REFERENCE}}, "A-B"),
        ({"secrets": {"TOKEN": REFERENCE}, "env": {"TOKEN": "x"}}, "TOKEN"),
        ({"temporary_pool": True}, "new_pool"),
        ({"gpus": "all"}, "image"),
        ({"image": "x", "registry": {"server": "s"}}, "registry"),
        ({"new_pool": {"vm_size": "x", "slots": 999}}, "slots"),
        ({"image": "x", "user": "task-admin"}, "user"),
    ],
)
def test_bad_values_are_refused_by_name(variables, name):
    with pytest.raises(ValidationError, match=name):
        AzureBatchJobConfiguration(**variables)


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


def test_a_reference_may_stand_in_env_too():
    with temporary_settings({PREFECT_API_KEY: "hush"}):
        assert environment(prepared(env={"PREFECT_API_KEY": REFERENCE}))["PREFECT_API_KEY"] == REFERENCE


def test_what_starts_the_run_depends_on_what_there_is():
    assert command_line(prepared(image="x")) == "prefect flow-run execute"
    assert command_line(prepared()) == "python -m batch_image.launcher prefect flow-run execute"
    assert command_line(prepared(image="x", launcher="tini --", command="a b")) == "tini -- a b"


def test_a_task_has_all_that_was_asked_for():
    task = task_of(
        prepared(
            image="example.azurecr.io/etl:1",
            registry={"server": "example.azurecr.io", "identity": "/subscriptions/x"},
            cpu=1.5,
            memory="4g",
            gpus="all",
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
    assert container["containerRunOptions"] == "--cpus 1.5 --memory 4g --gpus all --volume /mnt:/data:ro --init"
    assert container["registry"]["identityReference"] == {"resourceId": "/subscriptions/x"}
    assert task["displayName"] == "quiet-otter"
    assert task["requiredSlots"] == 2
    assert task["constraints"] == {"maxWallClockTime": "PT01M30S", "retentionTime": "P1D", "maxTaskRetryCount": 1}
    assert task["userIdentity"] == {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}
    assert task["outputFiles"][0]["destination"]["container"]["path"] == "task"
    labels = next(s["value"] for s in task["environmentSettings"] if s["name"] == "AZURE_BATCH_LABELS")
    assert json.loads(labels)["team"] == "prices"


def test_an_empty_string_means_that_nothing_is_given():
    """As the UI's form and `image: "{{ image.stdout }}"` give it; an environment variable may well be empty."""
    schema = AzureBatchWorker.get_default_base_job_template()["variables"]["properties"]
    found = AzureBatchJobConfiguration(**dict.fromkeys(schema, ""))
    assert found == AzureBatchJobConfiguration()
    inner = AzureBatchJobConfiguration(
        image="x",
        env={"EMPTY": ""},
        registry={"server": "s", "identity": "i", "username": "", "password": ""},
        new_pool={"vm_size": "v", "subnet": "", "slots": ""},
    )
    assert inner.env == {"EMPTY": ""}
    assert inner.registry
    assert inner.new_pool
    assert (inner.registry.username, inner.new_pool.subnet, inner.new_pool.slots) == (None, None, 1)


def test_the_server_takes_an_empty_string_where_there_is_a_pattern():
    schema = AzureBatchWorker.get_default_base_job_template()["variables"]["properties"]
    patterns = [kind["pattern"] for field in schema.values() for kind in field.get("anyOf", []) if "pattern" in kind]
    assert len(patterns) == 3
    assert all(re.search(pattern, "") for pattern in patterns)


def test_the_form_goes_by_position():
    """A server on PostgreSQL does not keep the order of keys."""
    schema = AzureBatchWorker.get_default_base_job_template()["variables"]["properties"]
    assert [field["position"] for field in schema.values()] == list(range(len(schema)))
