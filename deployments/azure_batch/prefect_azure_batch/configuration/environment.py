"""Which environment variables a task gets: of the worker's own settings not its home, not its server, no secret."""

from collections.abc import Mapping

from prefect.settings import get_current_settings

from batch_launcher.reference_syntax import EXAMPLE, is_reference
from prefect_azure_batch.service.errors import ConfigurationError

# Places on the worker's machine, and what is no affair of a run.
_PLACES = {
    "PREFECT_HOME",
    "PREFECT_PROFILES_PATH",
    "PREFECT_LOCAL_STORAGE_PATH",
    "PREFECT_RESULTS_LOCAL_STORAGE_PATH",
    "PREFECT_LOGGING_CONFIG_PATH",
    "PREFECT_LOGGING_SETTINGS_PATH",
    "PREFECT_TEST_MODE",
    "PREFECT_UNIT_TEST_MODE",
    "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_API_DATABASE_PASSWORD",
}
_PREFIXES = ("PREFECT_SERVER_", "PREFECT_WORKER_", "PREFECT_CLI_", "PREFECT_INTEGRATIONS_AZURE_BATCH_")


def forwarded(environment: Mapping[str, str | None], own: Mapping[str, str | None]) -> dict[str, str | None]:
    """The environment without the worker's places and server; what is in `own`, the user's, stays."""
    dropped = {name for name in environment if name in _PLACES or name.startswith(_PREFIXES)} - own.keys()
    return {name: value for name, value in environment.items() if name not in dropped}


def without_secrets(
    environment: Mapping[str, str | None], secrets: Mapping[str, str], *, allow_plaintext: bool
) -> dict[str, str]:
    """What is written into the task: values, and references to Key Vault in place of secrets.

    Raises ConfigurationError when a secret of the worker would be written in clear.
    """
    plain = {name for name in secret_settings() if environment.get(name) and not is_reference(environment[name] or "")}
    if exposed := sorted(plain - secrets.keys()):
        if not allow_plaintext:
            names = ", ".join(exposed)
            raise ConfigurationError(
                f"The worker's {names} would be written into the task, where all who can read the Batch account"
                f" can read it. Put it into Key Vault and give the job variable secrets, such as {{'{exposed[0]}':"
                f" '{EXAMPLE}'}}. For local use, the job variable allow_plaintext_secrets permits it."
            )
        plain -= set(exposed)
    values = {name: value for name, value in environment.items() if value is not None and name not in plain}
    return values | dict(secrets)


def secret_settings() -> frozenset[str]:
    """The names of Prefect's settings that hold a secret in this process."""
    settings = get_current_settings()
    clear = settings.to_environment_variables(exclude_unset=True, include_secrets=True)
    masked = settings.to_environment_variables(exclude_unset=True, include_secrets=False)
    found = {name for name, value in clear.items() if masked.get(name) != value}
    return frozenset(found | {"PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_CLIENT_CUSTOM_HEADERS"})
