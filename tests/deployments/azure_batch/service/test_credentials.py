"""How the block signs in, and what it says when it cannot."""

import base64

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential
from pydantic import ValidationError

from prefect_azure_batch import AzureBatchCredentials

ENDPOINT = "https://example.westeurope.batch.azure.com"
KEY = base64.b64encode(b"a key that nobody may see").decode()


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, DefaultAzureCredential),
        ({"client_id": "c"}, ManagedIdentityCredential),
        ({"client_id": "c", "tenant_id": "t", "client_secret": "s"}, ClientSecretCredential),
        ({"account_key": KEY}, AzureNamedKeyCredential),
    ],
)
def test_it_signs_in_with_what_is_set(fields, kind):
    assert isinstance(AzureBatchCredentials(endpoint=ENDPOINT, **fields).get_credential(), kind)


def test_the_account_is_named_by_the_endpoint_or_by_itself():
    named = AzureBatchCredentials(endpoint=ENDPOINT, account_key=KEY).get_credential()
    local = AzureBatchCredentials(endpoint="http://127.0.0.1:99", account_name="dev", account_key=KEY).get_credential()
    assert isinstance(named, AzureNamedKeyCredential)
    assert isinstance(local, AzureNamedKeyCredential)
    assert (named.named_key.name, local.named_key.name) == ("example", "dev")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"endpoint": "ftp://example"}, "URL of a Batch account"),
        ({"endpoint": f"{ENDPOINT}/pools"}, "URL of a Batch account"),
        ({"endpoint": ENDPOINT, "tenant_id": "t"}, "client_id, client_secret is missing"),
        ({"endpoint": ENDPOINT, "account_key": "§§§ secret"}, "base64"),
        (
            {"endpoint": ENDPOINT, "account_key": KEY, "client_secret": "s", "tenant_id": "t", "client_id": "c"},
            "exclude",
        ),
        ({"endpoint": "http://127.0.0.1:99"}, "needs account_key"),
        ({}, "endpoint"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_and_without_secrets(fields, words):
    with pytest.raises(ValidationError) as refused:
        AzureBatchCredentials(**fields)
    assert words in str(refused.value)
    assert "§§§" not in str(refused.value)
    assert KEY not in str(refused.value)
