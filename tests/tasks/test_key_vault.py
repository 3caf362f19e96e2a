"""Settings from a Key Vault, read by the real SDKs over TLS in a process of its own."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tasks.vault import HEADER, TOKEN, Vault, serve_vault

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-of-the-vault"
LOAD = """
import json
from tasks.errors import EtlError
from tasks.settings import load_settings
try:
    s = load_settings()
    print(json.dumps({"token": s.source_token.get_secret_value(), "codes": s.codes, "attempts": s.source_attempts}))
except EtlError as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
"""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    secrets = {"etl-source-token": SECRET, "etl-codes": "AAPL.US,MSFT.US", "etl-source-attempts": "3", "others": "x"}
    with serve_vault(Vault(secrets), tmp_path) as served:
        yield served


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A process with this environment and nothing else."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def load(**environment: str) -> dict[str, object]:
    done = run("-c", LOAD, **environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_what_the_environment_does_not_set_is_read_from_the_vault(vault: Vault) -> None:
    assert load(**vault.environment) == {"token": SECRET, "codes": ["AAPL.US", "MSFT.US"], "attempts": 3}


def test_what_the_environment_sets_is_not_even_asked_for(vault: Vault) -> None:
    found = load(**vault.environment, ETL_SOURCE_TOKEN="mine", etl_codes="IBM.US")  # names of variables have any case

    assert found == {"token": "mine", "codes": ["IBM.US"], "attempts": 3}
    assert [p for p in vault.asked if p != "secrets"] == ["secrets/etl-source-attempts"]


def test_a_disabled_secret_is_not_there(vault: Vault) -> None:
    vault.disabled = frozenset({"etl-source-token"})

    assert load(**vault.environment)["token"] == "demo"


def test_what_is_in_force_is_shown_with_where_it_is_from(vault: Vault) -> None:
    done = run("-m", "tasks.settings", **vault.environment, ETL_SOURCE_ATTEMPTS="4")

    assert "ETL_SOURCE_TOKEN = ***\n    [Key Vault]" in done.stdout
    assert "ETL_SOURCE_ATTEMPTS = 4\n    [environment]" in done.stdout
    assert "ETL_EXCHANGE = US\n    [default]" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_value_of_the_vault_that_makes_no_sense_is_refused_by_name(vault: Vault) -> None:
    vault.secrets = {"etl-source-attempts": SECRET}
    found = load(**vault.environment)

    assert found["error"] == "ConfigurationError"
    assert "ETL_SOURCE_ATTEMPTS" in str(found["message"])
    assert SECRET not in str(found["message"])


def test_a_vault_that_refuses_the_identity_says_which_role_it_needs(vault: Vault) -> None:
    vault.status = 403
    found = load(**vault.environment)

    assert found["error"] == "AuthenticationError"
    assert vault.url in str(found["message"])
    assert "Caller is not authorized" in str(found["message"])
    assert "Give the identity the role Key Vault Secrets User" in str(found["message"])


def test_a_machine_without_identity_is_told_so(vault: Vault) -> None:
    found = load(**vault.environment | {"IDENTITY_HEADER": "another"})

    assert found["error"] == "AuthenticationError"
    assert "Key Vault Secrets User" in str(found["message"])


def test_a_busy_vault_may_be_asked_again(vault: Vault) -> None:
    vault.status = 503
    found = load(**vault.environment)

    assert found["error"] == "TransientError"
    assert len(vault.asked) == 4  # tries


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "https://no-such-vault.invalid", "not-a-url", "http://127.0.0.1:1"]
)
def test_a_vault_that_is_not_there_is_reported_soon(vault: Vault, url: str) -> None:
    began = time.monotonic()
    found = load(**vault.environment | {"ETL_KEY_VAULT_URL": url})

    assert found["error"] == "ConfigurationError"
    assert f"Key Vault {url} could not be reached" in str(found["message"])
    assert "Check ETL_KEY_VAULT_URL" in str(found["message"])
    assert time.monotonic() - began < 30  # with the SDK's own retries it is minutes


def test_a_vault_that_never_answers_is_given_up(vault: Vault) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        found = load(**vault.environment | {"ETL_KEY_VAULT_URL": url})

    assert found["error"] == "ConfigurationError"


def test_no_secret_is_in_the_logs_of_the_sdks(vault: Vault) -> None:
    loud = "import logging; logging.basicConfig(level=logging.DEBUG)\nimport tasks.settings as s; s.load_settings()"
    done = run("-c", loud, **vault.environment)

    assert done.returncode == 0, done.stderr
    assert "/secrets/etl-source-token" in done.stderr  # they do log
    assert not [s for s in (SECRET, TOKEN, HEADER) if s in done.stderr + done.stdout]
