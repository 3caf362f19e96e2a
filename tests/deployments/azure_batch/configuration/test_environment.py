"""The environment of a task: not that of the worker, and without a secret in clear."""

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_WORKER_QUERY_SECONDS,
    temporary_settings,
)

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


def test_a_reference_may_stand_in_env_too():
    with temporary_settings({PREFECT_API_KEY: "hush"}):
        assert environment(prepared(env={"PREFECT_API_KEY": REFERENCE}))["PREFECT_API_KEY"] == REFERENCE
