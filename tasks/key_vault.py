"""The secrets of an Azure Key Vault as a source of settings: what the environment does not set."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tasks.errors import AuthenticationError, ConfigurationError, TransientError
from tasks.redaction import redact

# The SDK's own patience, ten tries with doubled waits, would hold up a misspelt name for minutes.
_PATIENCE = {"connection_timeout": 5, "read_timeout": 5, "retry_total": 3, "retry_connect": 1, "retry_read": 1}


class KeyVaultSource(PydanticBaseSettingsSource):
    """Gives each field that no source before it has set the secret named as its variable: `etl-a-b` for `ETL_A_B`."""

    def __init__(self, settings_cls: type[BaseSettings], url: str) -> None:
        super().__init__(settings_cls)
        self._url = url

    def __call__(self) -> dict[str, Any]:
        """Raises AuthenticationError when the vault refuses the machine's identity, TransientError when it is busy, and
        ConfigurationError when it cannot be reached."""
        missing = self.settings_cls.model_fields.keys() - self.current_state.keys()
        secrets = {field: self._secret(field) for field in missing}
        with (
            _explained(self._url),
            DefaultAzureCredential(**_PATIENCE) as identity,
            SecretClient(self._url, identity, **_PATIENCE) as client,
        ):
            stored = {s.name.lower() for s in client.list_properties_of_secrets() if s.name and s.enabled}
            return {field: client.get_secret(name).value for field, name in secrets.items() if name in stored}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # of the base class, for sources that read field by field

    def _secret(self, field: str) -> str:
        return f"{self.config.get('env_prefix', '')}{field}".lower().replace("_", "-")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except (AzureError, ValueError) as error:
        said = redact(str(error)).splitlines()[0].rstrip(". ")
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if isinstance(error, ClientAuthenticationError) or status in (401, 403):
            raise AuthenticationError(
                f"Key Vault {url} could not be read with this machine's identity: {said}. Give the identity the role "
                "Key Vault Secrets User, or unset ETL_KEY_VAULT_URL."
            ) from error
        if status == 429 or (status or 0) >= 500:
            raise TransientError(f"Key Vault {url} is busy: {said}. Run again in a minute.") from error
        raise ConfigurationError(
            f"Key Vault {url} could not be reached: {said}. Check ETL_KEY_VAULT_URL, https://NAME.vault.azure.net, and "
            "the network."
        ) from error
