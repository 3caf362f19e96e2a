"""Every setting, from the environment (`ETL_...`) and Azure Key Vault. With nothing set, embedded defaults run all.

`python -m tasks.settings` prints what is in force and where each value came from, secrets masked.
"""

import difflib
import functools
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.errors import ConfigurationError
from tasks.libraries import KEY_VAULT, require

PREFIX = "ETL_"
_OF_DEPLOYING = ("ETL_IMAGE", "ETL_IMAGE_PLATFORM", "ETL_WORK_POOL")  # what `prefect deploy` reads: no settings


class Settings(BaseSettings):
    """The settings in force. A field `name` is the variable `ETL_NAME`, or the Key Vault secret `etl-name`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    key_vault_url: str | None = Field(None, description="Azure Key Vault that holds what the environment does not")
    lake_url: str = Field(
        ".etl/lake", description="the lake: a folder, or a storage account, https://ACCOUNT.blob.core.windows.net"
    )
    lake_connection_string: SecretStr | None = Field(None, description="of the storage account of the lake")
    lake_account_key: SecretStr | None = Field(
        None, description="of the storage account; with no key nor connection string: this machine's identity"
    )
    lake_credentials_block: str | None = Field(
        None, description="name of an AzureBlobStorageCredentials block that opens the storage account"
    )
    warehouse_url: SecretStr = Field(
        SecretStr("sqlite:///.etl/warehouse.sqlite"), description="the SQL store that is loaded"
    )
    largest_deletion: float = Field(
        0.3, ge=0, le=1, description="the share of a partition that a load may delete from a table without a word"
    )
    dashboard_path: Path | None = Field(Path(".etl/dashboard.html"), description="the dashboard page; empty: none")
    power_bi_workspace: str | None = Field(None, description="GUID of the Power BI workspace; empty: no refresh")
    power_bi_dataset: str | None = Field(None, description="GUID of the semantic model that is refreshed after a load")
    power_bi_url: str = Field("https://api.powerbi.com/v1.0/myorg", description="of Power BI's REST API")
    power_bi_tenant_id: str | None = Field(None, description="of the service principal that refreshes")
    power_bi_client_id: str | None = Field(
        None, description="of that service principal; without a secret: of this machine's managed identity"
    )
    power_bi_client_secret: SecretStr | None = Field(
        None, description="of that service principal; empty: this machine's identity"
    )
    time_zone: str = Field("America/New_York", description="by whose days it is told when what was fetched")
    patience_hours: float = Field(
        0.0, ge=0, le=720, description="how long a deployment's run that is Resumable goes on by itself, from its start"
    )

    codes: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="instruments to fetch, separated by commas; empty: all of the exchange"
    )
    exchange: str = Field("US", description="of codes without a suffix, and of a run for all codes")
    calendars_ignored: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="exchanges, separated by commas, whose bars are kept on days without a session too"
    )
    limit_codes_missing: float = Field(
        0.5, ge=0, le=1, description="the share of an exchange's codes that may lack a session before a check warns"
    )
    limit_codes_silent: float = Field(
        0.1, ge=0, le=1, description="the share of codes that trade but may come without bars before a load stops"
    )
    limit_standstill: int = Field(
        20, ge=1, le=40, description="sessions that a close may stand still at no volume before a check warns"
    )
    limit_adjustment: float = Field(
        0.05, gt=0, description="by how much adjusted_close / close may step where close does not, before a check warns"
    )
    source_url: str | None = Field(None, description="of the EODHD API; empty: the sample market in this process")
    source_name: str | None = Field(
        None, description="what the lake calls the source of its prices; empty: its host, or the sample market"
    )
    source_token: SecretStr = Field(SecretStr("demo"), description="API token of the source")
    source_requests_per_minute: int | None = Field(
        None, ge=0, description="0: no limit; empty: 1000, no limit for the sample market"
    )
    source_shared_limit: str | None = Field(
        None, description="the Prefect global concurrency limit by which all machines share the requests per minute"
    )
    source_delay_hours: float = Field(
        3.0, ge=0, le=240, description="after the closing of an exchange, until the source has published its session"
    )
    source_requests_in_flight: int = Field(64, ge=1, description="requests that wait for an answer at once")
    source_connections: int = Field(64, ge=1, description="connections to the source")
    source_timeout_seconds: float = Field(30.0, gt=0, description="for connecting, and between bytes of an answer")
    source_attempts: int = Field(6, ge=1, description="tries per request, for what trying again may help")
    source_most_bytes: int = Field(
        64 << 20, ge=1 << 10, description="of one answer, packed or unpacked, before it is refused"
    )
    source_json_depth: int = Field(100, ge=2, description="levels of nesting in one answer, before it is refused")
    source_retry_wait_seconds: float = Field(0.5, ge=0, description="before the second try; doubles from try to try")
    source_database_url: SecretStr | None = Field(
        None, description="the database that queries are read from, such as postgresql://..."
    )
    source_database_name: str | None = Field(
        None, description="what the lake calls that database; empty: its host and name"
    )
    file_most_bytes: int = Field(4 << 30, ge=1 << 10, description="of an unpacked vendor file, before it is refused")
    file_most_columns: int = Field(32_000, ge=2, description="of a vendor file in CSV, before it is refused")
    file_longest_line: int = Field(
        8 << 20, ge=1 << 10, le=8 << 20, description="characters of a row of a vendor file in CSV, before it is refused"
    )
    workbook_most_bytes: int = Field(256 << 20, ge=1 << 10, description="of an unpacked workbook, before it is refused")
    file_most_cells: int = Field(
        5_000_000, ge=4, description="of a sheet, or a file with dates as rows, which are in memory as a whole"
    )
    sample_market_codes: int = Field(500, ge=1, description="instruments of the sample market in this process")

    @field_validator("codes", "calendars_ignored", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(c.strip() for c in value.split(",") if c.strip()) if isinstance(value, str) else value

    @field_validator(
        "key_vault_url",
        "dashboard_path",
        "source_url",
        "source_name",
        "source_database_name",
        "source_requests_per_minute",
        "source_shared_limit",
        "source_database_url",
        "power_bi_workspace",
        "power_bi_dataset",
        "power_bi_tenant_id",
        "power_bi_client_id",
        "power_bi_client_secret",
        mode="before",
    )
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("there is no such time zone") from None

    @property
    def source_delay(self) -> timedelta:
        return timedelta(hours=self.source_delay_hours)

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
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - these two are pydantic's, and not wanted
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        vault = env_settings().get("key_vault_url")
        if not vault:
            return init_settings, env_settings
        # Imported here: the Azure SDK takes half a second, which runs without a vault need not wait for.
        require(KEY_VAULT, "ETL_KEY_VAULT_URL")
        from tasks.key_vault import KeyVaultSource  # noqa: PLC0415

        return init_settings, env_settings, KeyVaultSource(settings_cls, vault)


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises ConfigurationError for an unknown variable, for a value that makes no sense, and for a Key Vault that cannot
    be reached; AuthenticationError when the vault refuses this machine's identity; TransientError when it is busy."""
    return _load(tuple(sorted((k, v) for k, v in os.environ.items() if k.upper().startswith(PREFIX))))


@functools.lru_cache(maxsize=4)
def _load(environment: tuple[tuple[str, str], ...]) -> Settings:
    _refuse_unknown([name for name, _ in environment])
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(f"{variable(str(e['loc'][0]))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"Settings make no sense: {problems}. `python -m tasks.settings` shows what each one is for."
        ) from None


def variable(field: str) -> str:
    return f"{PREFIX}{field}".upper()


def _refuse_unknown(names: list[str]) -> None:
    known = [*(variable(field) for field in Settings.model_fields), *_OF_DEPLOYING]
    for name in names:
        if name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "`python -m tasks.settings` lists all."
            raise ConfigurationError(f"There is no setting {name}. {hint}")
