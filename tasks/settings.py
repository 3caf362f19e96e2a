"""Every setting, from the environment (`ETL_...`) and Azure Key Vault. With nothing set, embedded defaults run everything.

`python -m tasks.settings` prints what is in force and where each value came from, secrets masked.
"""

import difflib
import functools
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    AzureKeyVaultSettingsSource,
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from tasks.errors import AuthenticationError, ConfigurationError, redact

_PREFIX = "ETL_"
_KEY_VAULT = "ETL_KEY_VAULT_URL"


class Settings(BaseSettings):
    """The settings in force. A field `name` is the variable `ETL_NAME`, or the Key Vault secret `etl-name`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    key_vault_url: str | None = Field(None, description="Azure Key Vault that holds what the environment does not")
    lake_url: str = Field(".etl/lake", description="folder of the lake")
    warehouse_url: SecretStr = Field(SecretStr("sqlite:///.etl/warehouse.sqlite"), description="SQL store")
    dashboard_path: Path = Field(Path(".etl/dashboard.html"), description="where the dashboard page is written")
    time_zone: str = Field("America/New_York", description="whose days a scheduled run counts")

    codes: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="instruments to fetch, separated by commas; empty: all of the exchange"
    )
    exchange: str = Field("US", description="of codes without a suffix, and of a run for all codes")
    source_url: str | None = Field(None, description="of the EODHD API; empty: the sample market in this process")
    source_token: SecretStr = Field(SecretStr("demo"), description="API token of the source")
    source_requests_per_minute: int | None = Field(
        None, ge=0, description="0: no limit; empty: 1000, no limit for the sample market"
    )
    source_requests_in_flight: int = Field(64, ge=1, description="requests that wait for an answer at once")
    source_connections: int = Field(64, ge=1, description="connections to the source")
    source_timeout_seconds: float = Field(30.0, gt=0, description="for connecting, and between bytes of an answer")
    source_attempts: int = Field(6, ge=1, description="tries per request, for what trying again may help")
    source_retry_wait_seconds: float = Field(0.5, ge=0, description="before the second try; doubles from try to try")
    sample_market_codes: int = Field(500, ge=1, description="instruments of the sample market in this process")

    @field_validator("codes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(c.strip() for c in value.split(",") if c.strip()) if isinstance(value, str) else value

    @property
    def requests_per_minute(self) -> int:
        """The rate limit in force, 0 for none."""
        if self.source_requests_per_minute is not None:
            return self.source_requests_per_minute
        return 1000 if self.source_url else 0

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        **_: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        vault = os.environ.get(_KEY_VAULT)
        return (init_settings, env_settings, *((_key_vault(settings_cls, vault),) if vault else ()))


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises ConfigurationError for an unknown variable or a value that makes no sense, and for a Key Vault that cannot be reached;
    AuthenticationError when the vault refuses the machine's identity."""
    return _load(tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(_PREFIX))))


@functools.lru_cache(maxsize=4)
def _load(environment: tuple[tuple[str, str], ...]) -> Settings:
    _refuse_unknown([name for name, _ in environment])
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(f"{_PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"Settings make no sense: {problems}. `python -m tasks.settings` shows what each one is for."
        ) from None


def _refuse_unknown(names: list[str]) -> None:
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in names:
        if name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "`python -m tasks.settings` lists all."
            raise ConfigurationError(f"There is no setting {name}. {hint}")


def _key_vault(settings_cls: type[BaseSettings], url: str) -> PydanticBaseSettingsSource:
    # Imported here: the Azure SDK takes half a second, which runs without a vault need not wait for.
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError  # noqa: PLC0415
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415

    try:
        return AzureKeyVaultSettingsSource(settings_cls, url, DefaultAzureCredential(), dash_to_underscore=True)
    except (ClientAuthenticationError, HttpResponseError) as error:
        raise AuthenticationError(
            f"Key Vault {url} refused this machine's identity: {redact(str(error)).splitlines()[0]} Give the identity the role "
            "Key Vault Secrets User, or unset ETL_KEY_VAULT_URL."
        ) from error
    except (AzureError, ValueError) as error:
        raise ConfigurationError(
            f"Key Vault {url} could not be read: {redact(str(error)).splitlines()[0]} Check ETL_KEY_VAULT_URL, "
            "https://NAME.vault.azure.net, and the network."
        ) from error


def _origins(settings: Settings) -> dict[str, str]:
    origins: dict[str, str] = {}
    for name in Settings.model_fields:
        if f"{_PREFIX}{name.upper()}" in {k.upper() for k in os.environ}:
            origins[name] = "environment"
        elif settings.key_vault_url and name in settings.model_fields_set:
            origins[name] = "Key Vault"
        else:
            origins[name] = "default"
    return origins


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return redact(text) if "://" in text else "***"
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)


def _main() -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    try:
        settings = load_settings()
    except (ConfigurationError, AuthenticationError) as error:
        raise SystemExit(str(error)) from None
    table = Table("setting", "value", "from", "what it is")
    origins = _origins(settings)
    for name, field in Settings.model_fields.items():
        table.add_row(f"{_PREFIX}{name.upper()}", _shown(getattr(settings, name)), origins[name], field.description)
    Console().print(table)


if __name__ == "__main__":
    _main()
