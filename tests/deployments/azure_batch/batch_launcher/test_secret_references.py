"""References to Key Vault secrets, resolved by the launcher as a process, with the real SDKs over TLS."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_launcher.exit_codes import ExitCode
from tests.deployments.azure_batch.batch_launcher.launched import launch
from tests.tasks.vault import HEADER, TOKEN, Vault, serve_vault

SECRET = "s3cr3t-of-the-vault"
OTHER = "0th3r-of-the-vault"
SHOW = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with serve_vault(Vault({"api-key": SECRET, "source-token": OTHER}), tmp_path) as served:
        yield served


def node(vault: Vault) -> dict[str, str]:
    """The environment of a node that has an identity."""
    return {name: value for name, value in vault.environment.items() if name != "ETL_KEY_VAULT_URL"}


def reference(vault: Vault, path: str) -> str:
    return f"@Microsoft.KeyVault(SecretUri={vault.url}/secrets/{path})"


def test_the_command_gets_the_secrets_in_place_of_the_references(vault: Vault) -> None:
    wanted = {"PREFECT_API_KEY": reference(vault, "api-key"), "ETL_SOURCE_TOKEN": reference(vault, "source-token/")}
    done = launch(*SHOW, **node(vault), **wanted, PLAIN="as it is")

    assert done.returncode == 0, done.stderr
    environment = json.loads(done.stdout)
    assert (environment["PREFECT_API_KEY"], environment["ETL_SOURCE_TOKEN"]) == (SECRET, OTHER)
    assert environment["PLAIN"] == "as it is"
    assert done.stderr == ""


def test_a_version_is_asked_for_by_its_id(vault: Vault) -> None:
    done = launch("true", **node(vault), KEY=reference(vault, "api-key/0123456789abcdef"))

    assert done.returncode == 0, done.stderr
    assert vault.asked == ["secrets/api-key/0123456789abcdef"]


def test_each_reference_that_fails_is_told_and_no_value_of_the_others(vault: Vault) -> None:
    wanted = {
        name: reference(vault, secret) for name, secret in [("A", "api-key"), ("B", "no-such"), ("C", "nor-this")]
    }
    done = launch("echo", "executed", **node(vault), **wanted)

    assert (done.returncode, done.stdout) == (ExitCode.SECRET_REFUSED, "")
    assert f"B refers to {vault.url}/secrets/no-such, which is not there" in done.stderr
    assert f"C refers to {vault.url}/secrets/nor-this, which is not there" in done.stderr
    assert not [text for text in (SECRET, TOKEN, HEADER) if text in done.stderr]


def test_a_vault_that_refuses_the_identity_says_which_role_it_needs(vault: Vault) -> None:
    vault.status = 403
    done = launch("true", **node(vault), KEY=reference(vault, "api-key"))

    assert done.returncode == ExitCode.SECRET_REFUSED
    assert "Caller is not authorized" in done.stderr
    assert "role Key Vault Secrets User" in done.stderr


def test_a_node_without_identity_is_told_so(vault: Vault) -> None:
    done = launch("true", **node(vault) | {"IDENTITY_HEADER": "another"}, KEY=reference(vault, "api-key"))

    assert done.returncode == ExitCode.SECRET_REFUSED
    assert "Give the pool an identity" in done.stderr


def test_a_busy_vault_is_asked_again_before_it_is_given_up(vault: Vault) -> None:
    vault.status = 503
    done = launch("true", **node(vault), KEY=reference(vault, "api-key"))

    assert done.returncode == ExitCode.VAULT_UNAVAILABLE
    assert len(vault.asked) > 3


def test_a_vault_that_is_not_there_is_reported(vault: Vault) -> None:
    done = launch("true", **node(vault), KEY="@Microsoft.KeyVault(SecretUri=https://127.0.0.1:1/secrets/api-key)")

    assert done.returncode == ExitCode.VAULT_UNAVAILABLE
    assert "KEY refers to https://127.0.0.1:1/secrets/api-key, which could not be reached" in done.stderr


def test_what_looks_like_a_reference_and_is_none_is_refused_by_name() -> None:
    done = launch("echo", "executed", MY_KEY="@Microsoft.KeyVault(VaultName=v;SecretName=s3cr3t)")

    assert (done.returncode, done.stdout) == (ExitCode.CONFIGURATION, "")
    assert "MY_KEY: no reference that can be resolved" in done.stderr
    assert "s3cr3t" not in done.stderr
