"""One table of what is a reference to Key Vault, for the work pool that checks it and the launcher that resolves it."""

import pytest
from pydantic import ValidationError

from batch_launcher.exit_codes import ExitCode, Refusal
from batch_launcher.reference_syntax import EXAMPLE, is_reference
from batch_launcher.secret_references import SecretReference, find_references
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration

VAULT = "https://v.vault.azure.net"
CURRENT = SecretReference("KEY", VAULT, "api-key", "")
VERSION = SecretReference("KEY", VAULT, "api-key", "0123abcd")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api-key)", CURRENT),
        (f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api-key/)", CURRENT),
        (f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api-key/0123abcd)", VERSION),
        (f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api-key/0123abcd/)", VERSION),
        (f"@microsoft.keyvault(secreturi={VAULT}/secrets/api-key)", CURRENT),
        (f" @Microsoft.KeyVault( SecretUri = {VAULT}/secrets/api-key )\n", CURRENT),
    ],
)
def test_a_reference_is_taken_by_both(text: str, reference: SecretReference) -> None:
    assert AzureBatchJobConfiguration(secrets={"KEY": text}).secrets == {"KEY": text}
    assert find_references({"KEY": text}) == [reference]


@pytest.mark.parametrize(
    "text",
    [
        "@Microsoft.KeyVault(VaultName=v;SecretName=api-key)",
        "@Microsoft.KeyVault(SecretUri=http://v.vault.azure.net/secrets/api-key)",
        f"@Microsoft.KeyVault(SecretUri={VAULT}/keys/api-key)",
        f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/)",
        f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api_key)",
        f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api.key)",
        f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/schl\u00fcssel)",
        f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api-key/0123/abcd)",
        f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api-key",
        f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/api-key) and more",
    ],
)
def test_what_is_meant_as_a_reference_and_is_none_is_refused_by_both(text: str) -> None:
    with pytest.raises(ValidationError, match="KEY: not a reference of the form"):
        AzureBatchJobConfiguration(secrets={"KEY": text})
    with pytest.raises(Refusal, match="KEY: no reference that can be resolved") as refused:
        find_references({"KEY": text})
    assert refused.value.code == ExitCode.CONFIGURATION


@pytest.mark.parametrize("text", ["", "plain", f"see {EXAMPLE}"])
def test_any_other_value_is_no_reference(text: str) -> None:
    assert not is_reference(text)
    assert find_references({"KEY": text}) == []


def test_the_example_that_errors_give_is_one() -> None:
    assert is_reference(EXAMPLE)
