"""Which environment variables a task gets: of the worker's own settings not its home, not its server, no secret."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

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
# What is a secret wherever it stands: the password in a URL, a shared access signature, what a connection string signs
# in by.
_SECRET = re.compile(
    r"://[^/?#\s:@]*:[^/?#\s@]+@|(?:^|[?&])sig=[^&\s]|(?:^|;)\s*(?:AccountKey|SharedAccessKey|Password|Pwd)\s*=\s*[^;\s]",
    re.IGNORECASE,
)
_OF_SECRET_BLOCK = re.compile(r"\{\{\s*prefect\.blocks\.secret\.")
_LONG = 8  # characters: a shorter secret would be found in what has nothing to do with it
_PREFIXES = ("PREFECT_SERVER_", "PREFECT_WORKER_", "PREFECT_CLI_", "PREFECT_INTEGRATIONS_AZURE_BATCH_")


def forwarded(environment: Mapping[str, str | None], own: Mapping[str, str | None]) -> dict[str, str | None]:
    """The environment without the worker's places and server; what is in `own`, the user's, stays."""
    dropped = {name for name in environment if name in _PLACES or name.startswith(_PREFIXES)} - own.keys()
    return {name: value for name, value in environment.items() if name not in dropped}


def without_secrets(
    environment: Mapping[str, str | None], secrets: Mapping[str, str], known: Collection[str], *, allow_plaintext: bool
) -> dict[str, str]:
    """What is written into the task: values, and references to Key Vault in place of secrets.

    Raises ConfigurationError when one of the worker's secrets, of those `known`, or what is one by its looks would be
    written in clear.
    """
    plain = in_clear(environment, known)
    if exposed := sorted(plain - secrets.keys()):
        if not allow_plaintext:
            names = ", ".join(exposed)
            raise ConfigurationError(
                f"{names}: a secret would be written into the task in clear, where all who can read the Batch account"
                f" can read it. Put it into Key Vault and give the job variable secrets, in place of env, such as"
                f" {{'{exposed[0]}': '{EXAMPLE}'}}; or have the flow itself load a block. For local use, the job"
                f" variable allow_plaintext_secrets permits it."
            )
        plain -= set(exposed)
    values = {name: value for name, value in environment.items() if value is not None and name not in plain}
    return values | dict(secrets)


def in_clear(environment: Mapping[str, str | None], known: Collection[str] = ()) -> set[str]:
    """The names of the variables that give a secret away: one of this process, one of those `known`, or any that is one
    by its looks."""
    settings = secret_settings()
    secrets = {*known, *settings.values()} - {""}
    return {
        name
        for name, value in environment.items()
        if value and not is_reference(value) and (name in settings or _gives_away(value, secrets))
    }


def resolved_secrets(environment: Mapping[str, str | None], holders: Iterable[Mapping[str, Any] | None]) -> set[str]:
    """What Prefect has put in the place of Secret blocks, by the job variables that it has merged in this order."""
    given: dict[str, Any] = {}
    for held in holders:
        dotted = {name.removeprefix("env."): value for name, value in (held or {}).items() if name.startswith("env.")}
        given |= dotted | ((held or {}).get("env") or {})
    return {environment.get(name) or "" for name, value in given.items() if _OF_SECRET_BLOCK.search(str(value))}


def secret_settings() -> dict[str, str]:
    """Prefect's settings that hold a secret in this process, with their values."""
    settings = get_current_settings()
    clear = settings.to_environment_variables(exclude_unset=True, include_secrets=True)
    masked = settings.to_environment_variables(exclude_unset=True, include_secrets=False)
    always = dict.fromkeys(("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_CLIENT_CUSTOM_HEADERS"), "")
    return always | {name: value for name, value in clear.items() if name in always or masked.get(name) != value}


def _gives_away(value: str, secrets: Collection[str]) -> bool:
    holds = any(secret in value for secret in secrets if len(secret) >= _LONG)
    return value in secrets or holds or _SECRET.search(value) is not None
