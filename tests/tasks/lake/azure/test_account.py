"""Which account a URL and the credentials open, and what is refused before the service is asked."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from prefect_azure import AzureBlobStorageCredentials
from pydantic import SecretStr

from tasks.errors import ConfigurationError
from tasks.lake import LakeCredentials, open_lake
from tasks.lake.azure.account import find_account

ACCOUNT = "https://prices.blob.core.windows.net"
KEY = "c2VjcmV0"
STRING = f"DefaultEndpointsProtocol=https;AccountName=prices;AccountKey={KEY};EndpointSuffix=core.windows.net"


def given(**values: str) -> LakeCredentials:
    return LakeCredentials.model_validate(values)


@pytest.mark.parametrize("url", [ACCOUNT, f"{ACCOUNT}/"])
def test_an_account_key(url: str) -> None:
    account = find_account(url, given(account_key=KEY))

    assert (account.url, account.name) == (ACCOUNT, "prices")
    assert account.storage_options == {"account_name": "prices", "endpoint": ACCOUNT, "account_key": KEY}
    assert account.credential_provider is None


def test_a_connection_string_with_a_key() -> None:
    account = find_account(ACCOUNT, given(connection_string=STRING))

    assert account.storage_options["account_key"] == KEY


def test_a_connection_string_with_a_signature() -> None:
    text = f"BlobEndpoint={ACCOUNT}/;SharedAccessSignature=sv=2022&sig=c2lnbmVk"
    account = find_account(ACCOUNT, given(connection_string=text))

    assert isinstance(account.credential, AzureSasCredential)
    assert account.storage_options["sas_token"] == "sv=2022&sig=c2lnbmVk"


@pytest.mark.parametrize(
    "credentials", [LakeCredentials(), given(connection_string="UseDevelopmentStorage=true")], ids=["none", "string"]
)
def test_azurite_opens_by_the_key_that_everybody_knows(credentials: LakeCredentials) -> None:
    account = find_account("http://127.0.0.1:10000/devstoreaccount1", credentials)

    assert isinstance(account.credential, AzureNamedKeyCredential)
    assert account.storage_options["allow_http"] == "true"
    assert account.storage_options["endpoint"] == "http://127.0.0.1:10000/devstoreaccount1"


def test_with_nothing_given_it_is_the_machines_identity() -> None:
    account = find_account(ACCOUNT, LakeCredentials())

    assert isinstance(account.credential, DefaultAzureCredential)
    assert account.storage_options == {"account_name": "prices", "endpoint": ACCOUNT}
    # polars keeps its connections by the provider, so it has to be the same one every time.
    assert account.credential_provider is find_account(ACCOUNT, LakeCredentials()).credential_provider is not None


@pytest.mark.parametrize(
    ("url", "credentials", "message"),
    [
        ("http://127.0.0.1:10000", {}, "is not the address of a storage account"),
        (f"{ACCOUNT}/curated", {"account_key": KEY}, "is not the address of a storage account"),
        ("https:///prices", {}, "is not the address of a storage account"),
        (f"{ACCOUNT}?sv=1&sig=c2VjcmV0", {}, "ETL_LAKE_CONNECTION_STRING, which is kept secret"),
        (f"https://prices:{KEY}@prices.blob.core.windows.net", {}, "ETL_LAKE_CONNECTION_STRING, which is kept secret"),
        (ACCOUNT, {"account_key": "not base64"}, "ETL_LAKE_ACCOUNT_KEY is not an account key"),
        (ACCOUNT, {"connection_string": "AccountName=prices;AccountKey=not base64"}, "is not an account key"),
        (ACCOUNT, {"connection_string": "AccountName=prices"}, "neither AccountKey nor SharedAccessSignature"),
        (ACCOUNT, {"connection_string": STRING.replace("prices", "others")}, "of the account others"),
        (ACCOUNT, {"connection_string": "c2VjcmV0"}, "neither AccountKey nor SharedAccessSignature"),
        (
            ACCOUNT,
            {"connection_string": STRING, "account_key": KEY},
            "ETL_LAKE_CONNECTION_STRING and ETL_LAKE_ACCOUNT_KEY are set",
        ),
        ("http://lake.example/prices", {}, "Use https, or give ETL_LAKE_ACCOUNT_KEY"),
    ],
)
def test_what_cannot_open_a_lake_is_refused(url: str, credentials: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        find_account(url, given(**credentials))
    assert KEY not in str(caught.value)
    assert "sig=" not in str(caught.value)


def test_no_secret_is_shown_by_accident() -> None:
    credentials = given(connection_string=STRING)

    assert KEY not in f"{credentials!r} {find_account(ACCOUNT, credentials)!r}"


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="starts with ftp://"):
        open_lake("ftp://prices")


@pytest.fixture
def block(prefect_api: str) -> Iterator[Any]:
    """Saves a block on the Prefect server, and removes it."""
    names: list[str] = []

    def save(**values: Any) -> str:
        names.append(f"lake-{len(names)}")
        AzureBlobStorageCredentials(**values).save(names[-1], overwrite=True)
        return names[-1]

    yield save
    for name in names:
        AzureBlobStorageCredentials.delete(name)


def test_a_block_with_a_connection_string(block: Any) -> None:
    name = block(connection_string=SecretStr(STRING))

    assert find_account(ACCOUNT, given(block=name)).storage_options["account_key"] == KEY


def test_a_block_with_a_service_principal(block: Any) -> None:
    name = block(account_url=ACCOUNT, tenant_id="tenant", client_id="client", client_secret=SecretStr("secret"))

    assert isinstance(find_account(ACCOUNT, given(block=name)).credential, ClientSecretCredential)


def test_a_block_with_an_account_only(block: Any) -> None:
    name = block(account_url=ACCOUNT)

    assert isinstance(find_account(ACCOUNT, given(block=name)).credential, DefaultAzureCredential)


async def opened_in_a_loop(name: str) -> str:
    return find_account(ACCOUNT, given(block=name)).name


def test_a_block_is_found_where_an_event_loop_runs(block: Any) -> None:
    assert asyncio.run(opened_in_a_loop(block(account_url=ACCOUNT))) == "prices"


def test_a_block_of_another_account_is_refused(block: Any) -> None:
    name = block(account_url="https://others.blob.core.windows.net")

    with pytest.raises(ConfigurationError, match="The block lake-0 is of https://others"):
        find_account(ACCOUNT, given(block=name))


def test_a_block_that_is_not_there_is_refused(prefect_api: str) -> None:
    with pytest.raises(ConfigurationError, match="ETL_LAKE_CREDENTIALS_BLOCK names nothing"):
        find_account(ACCOUNT, given(block="nothing"))
