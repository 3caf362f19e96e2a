"""What opens the lake's storage account, in the forms that the Azure SDK and polars each want it in."""

import base64
import binascii
import functools
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import SplitResult, urlsplit

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential
from azure.identity import DefaultAzureCredential
from pydantic import SecretStr

from tasks.errors import ConfigurationError
from tasks.lake.azure.credentials import LakeCredentials
from tasks.lake.store import CredentialProvider
from tasks.libraries import PREFECT_AZURE, require

_SCOPE = "https://storage.azure.com/.default"
_EMULATOR = "devstoreaccount1"
# Azurite's published account key: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

Credential = AzureNamedKeyCredential | AzureSasCredential | TokenCredential

_CLOUDS = (".core.windows.net", ".core.chinacloudapi.cn", ".core.usgovcloudapi.net")


@dataclass(frozen=True)
class Account:
    """`url` is `https://ACCOUNT.blob.core.windows.net`, or `http://HOST:PORT/ACCOUNT` of Azurite, no slash behind."""

    url: str
    name: str
    credential: Credential = field(repr=False)

    @property
    def storage_options(self) -> dict[str, str]:
        """The account, and the key or signature that opens it, as polars wants them."""
        options = {"account_name": self.name, "endpoint": self.url}
        if self.url.startswith("http://"):
            options["allow_http"] = "true"
        if isinstance(self.credential, AzureNamedKeyCredential):
            options["account_key"] = self.credential.named_key.key
        if isinstance(self.credential, AzureSasCredential):
            options["sas_token"] = self.credential.signature
        return options

    @property
    def credential_provider(self) -> CredentialProvider | None:
        """Fetches an identity's token, which expires: polars asks again when it has. None for keys."""
        credential = self.credential
        if isinstance(credential, (AzureNamedKeyCredential, AzureSasCredential)):
            return None
        return _provider(cast("Hashable", credential))


def find_account(url: str, credentials: LakeCredentials) -> Account:
    """The account that the URL names. Raises ConfigurationError for what cannot open it, without asking the service."""
    parts = _checked(url)
    name = parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
    account = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    found = _Finder(account, name).find(credentials)
    if not isinstance(found, (AzureNamedKeyCredential, AzureSasCredential)) and parts.scheme == "http":
        raise ConfigurationError(
            f"The lake {account} is reached over http, which would show the identity's token to the network. Use "
            "https, or give ETL_LAKE_ACCOUNT_KEY."
        )
    return Account(account, name, found)


@dataclass(frozen=True)
class _Finder:
    """Turns one of the credentials into the SDK's, and refuses what is meant for another account."""

    url: str
    name: str

    def find(self, credentials: LakeCredentials) -> Credential:
        given = {
            "ETL_LAKE_CONNECTION_STRING": credentials.connection_string,
            "ETL_LAKE_ACCOUNT_KEY": credentials.account_key,
            "ETL_LAKE_CREDENTIALS_BLOCK": credentials.block,
        }
        names = [name for name, value in given.items() if value]
        if len(names) > 1:
            raise ConfigurationError(f"{' and '.join(names)} are set, and one opens the lake. Unset the others.")
        if credentials.connection_string:
            return self._of_string(credentials.connection_string, "ETL_LAKE_CONNECTION_STRING")
        if credentials.account_key:
            return self._of_key(credentials.account_key.get_secret_value(), "ETL_LAKE_ACCOUNT_KEY")
        if credentials.block:
            return self._of_block(credentials.block)
        if self.name == _EMULATOR:
            return AzureNamedKeyCredential(_EMULATOR, _EMULATOR_KEY)
        return _identity()

    def _of_key(self, key: str, source: str) -> AzureNamedKeyCredential:
        try:
            base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError(
                f"{source} is not an account key, which is base64. Copy it again from the access keys of {self.name}."
            ) from None
        return AzureNamedKeyCredential(self.name, key)

    def _of_string(self, secret: SecretStr, source: str) -> AzureNamedKeyCredential | AzureSasCredential:
        pairs = (part.partition("=") for part in secret.get_secret_value().strip().split(";") if part)
        values = {name.strip().lower(): value for name, _, value in pairs}
        if values.get("usedevelopmentstorage") == "true":
            values = {"accountname": _EMULATOR, "accountkey": _EMULATOR_KEY}
        endpoint = values.get("blobendpoint", self.url)
        name = values.get("accountname", _account_of(endpoint))
        if name != self.name:
            raise ConfigurationError(
                f"{source} is of the account {name}, and ETL_LAKE_URL of {self.name}. Make them agree."
            )
        if key := values.get("accountkey"):
            return self._of_key(key, source)
        if signature := values.get("sharedaccesssignature"):
            return AzureSasCredential(signature.removeprefix("?"))
        raise ConfigurationError(
            f"{source} has neither AccountKey nor SharedAccessSignature. Copy it again from the account's access keys."
        )

    def _of_block(self, name: str) -> Credential:
        # Only a lake that is opened by a block needs Prefect, which takes a second to import.
        require(PREFECT_AZURE, "ETL_LAKE_CREDENTIALS_BLOCK")
        from tasks.lake.azure.credentials_block import load_block  # noqa: PLC0415

        block, source = load_block(name), f"The block {name}"
        if block.connection_string:
            return self._of_string(block.connection_string, source)
        if block.account_url and _account_of(block.account_url) != self.name:
            raise ConfigurationError(f"{source} is of {block.account_url}, and ETL_LAKE_URL of {self.url}.")
        return block.principal or _identity()


def _checked(url: str) -> SplitResult:
    wanted = "Give https://ACCOUNT.blob.core.windows.net, or http://127.0.0.1:10000/devstoreaccount1 of Azurite"
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
    if parts.query or parts.username or parts.password:
        raise ConfigurationError(
            f"ETL_LAKE_URL {shown} holds more than the account's address. Put a signature or a key into "
            "ETL_LAKE_CONNECTION_STRING, which is kept secret."
        )
    host = parts.hostname or ""
    segments = len([s for s in parts.path.split("/") if s])
    # The account is in the path only where it cannot be in the host's name, as with Azurite.
    named = host.endswith(_CLOUDS)
    numbered = host.replace(".", "").isdecimal() or ":" in host
    if not host or segments > (not named) or (numbered and not segments):
        raise ConfigurationError(f"ETL_LAKE_URL {shown} is not the address of a storage account. {wanted}.")
    return parts


def _account_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]


@functools.cache
def _identity() -> TokenCredential:
    """One a process: it keeps its token, and looks for a managed identity once."""
    return DefaultAzureCredential()


@functools.lru_cache(maxsize=8)
def _provider(credential: Hashable) -> CredentialProvider:
    # The same object for the same identity, because polars keeps its connections by it.
    identity = cast("TokenCredential", credential)

    def fetch() -> tuple[dict[str, str], int | None]:
        token = identity.get_token(_SCOPE)
        return {"bearer_token": token.token}, token.expires_on

    return fetch
