"""What the launcher prints holds no secret that it knows."""

from pathlib import Path

import pytest

from batch_launcher.exit_codes import ExitCode
from batch_launcher.redaction import redact
from tests.deployments.azure_batch.batch_launcher.launched import launch
from tests.tasks.vault import Vault, serve_vault

RUN = {"PREFECT__FLOW_RUN_ID": "0b6bdfb4-5c8c-4d5a-8c0b-6f3a0d1d2c3e", "AZURE_BATCH_API_PATIENCE": "0"}


@pytest.mark.parametrize("name", ["PREFECT_API_KEY", "Source_Token", "CLIENT_SECRET", "DB_PASSWORD", "API_AUTH_STRING"])
def test_the_value_of_a_variable_that_is_called_secret_is_not_shown(name: str) -> None:
    assert redact("It is 's3cr3t', said s3cr3t.", {name: "s3cr3t", "PLAIN": "said"}) == "It is '***', said ***."


def test_the_value_of_any_variable_that_was_resolved_is_not_shown() -> None:
    assert redact("It is 's3cr3t'.", {}, ["s3cr3t"]) == "It is '***'."


def test_of_two_values_that_begin_alike_nothing_is_left() -> None:
    assert redact("s3cr3t-and-more", {}, ["s3cr3t", "s3cr3t-and-more"]) == "***"


def test_what_is_too_short_for_a_secret_leaves_the_sentence_as_it_is() -> None:
    assert redact("Asked 1 time.", {"KEY": "1", "TOKEN": ""}) == "Asked 1 time."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at http://me:s3cr3t@host:4200/api could", "at http://me:***@host:4200/api could"),
        ("at http://me:s/3:c@r3t@host/api.", "at http://me:***@host/api."),
        ("'me:s3cr3t@host'", "'me:***@host'"),
        ("http://me@host:4200/api at 10:30", "http://me@host:4200/api at 10:30"),
        ("Write @Microsoft.KeyVault(SecretUri=https://V)", "Write @Microsoft.KeyVault(SecretUri=https://V)"),
    ],
)
def test_the_password_of_an_address_is_not_shown(text: str, shown: str) -> None:
    assert redact(text, {}) == shown


@pytest.mark.parametrize("url", ["http://me:s3cr3t@127.0.0.1:1/api", "me:s3cr3t@127.0.0.1:1/api"])
def test_the_launcher_does_not_print_the_password_of_the_api(url: str) -> None:
    done = launch("echo", "executed", **RUN, PREFECT_API_URL=url)

    assert done.returncode in (ExitCode.API_UNAVAILABLE, ExitCode.CONFIGURATION)
    assert "me:***@127.0.0.1:1/api" in done.stderr
    assert "s3cr3t" not in done.stderr


def test_the_launcher_does_not_print_what_it_resolved(tmp_path: Path) -> None:
    with serve_vault(Vault({"policy": "s3cr3t-of-the-vault"}), tmp_path) as vault:
        reference = f"@Microsoft.KeyVault(SecretUri={vault.url}/secrets/policy)"
        done = launch("echo", "executed", **vault.environment, **RUN, AZURE_BATCH_ON_REQUEUE=reference)

    assert done.returncode == ExitCode.CONFIGURATION
    assert "AZURE_BATCH_ON_REQUEUE is '***'" in done.stderr
