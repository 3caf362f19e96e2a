"""Whether a run could work with what it is given: where it finds Prefect, its secrets, and what launches it."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from batch_launcher.reference_syntax import is_reference
from prefect_azure_batch.configuration.environment import in_clear, secret_settings
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.doctor.finding import Finding, failed, passed, warning
from prefect_azure_batch.submission.task import command_line

# Names under which a person would put a secret; values that are references are none.
_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CONNECTION_STRING|AUTH_STRING)$", re.IGNORECASE)
_LONGEST_HEARTBEAT = 120  # seconds; three missed ones are a death


def look_at(configuration: AzureBatchJobConfiguration, api_url: str) -> list[Finding]:
    return [_prefect_from_nodes(configuration, api_url), _secrets(configuration), _launcher(configuration)]


def _prefect_from_nodes(configuration: AzureBatchJobConfiguration, api_url: str) -> Finding:
    check = "Prefect from the nodes"
    url = configuration.env.get("PREFECT_API_URL") or api_url
    nodes_are_here = configuration.credentials is not None and _is_local(configuration.credentials.endpoint)
    if _is_local(url) and not nodes_are_here:
        advice = "Give the workers an address that nodes reach, or set env.PREFECT_API_URL=https://..."
        return failed(check, f"Runs would be told {url}, which on a node is the node itself.", advice)
    return passed(check, f"Runs are told {url}.")


def _secrets(configuration: AzureBatchJobConfiguration) -> Finding:
    check, advice = "Secrets", "Put it into Key Vault: set secrets.NAME=@Microsoft.KeyVault(SecretUri=...) env.NAME="
    values = {name: value for name, value in configuration.env.items() if value and not is_reference(value)}
    plain = sorted({*filter(_SECRET.search, values), *in_clear(values, configuration.secret_values)})
    if plain:
        found = f"In env, where all who can read the account or the work pool can read them: {', '.join(plain)}"
        return failed(check, found, advice)
    if configuration.allow_plaintext_secrets:
        held = ", ".join(sorted(name for name in secret_settings() if name not in configuration.secrets))
        found = f"allow_plaintext_secrets lets workers write theirs into tasks ({held})."
        return warning(check, found, "For local use only: set allow_plaintext_secrets=false")
    names = ", ".join(sorted(configuration.secrets))
    return passed(check, f"References to Key Vault: {names}" if names else "None, and none in clear")


def _launcher(configuration: AzureBatchJobConfiguration) -> Finding:
    check = "Launcher"
    text = configuration.env.get("PREFECT_FLOWS_HEARTBEAT_FREQUENCY")
    if text is not None and not (text.isdigit() and 0 < int(text) <= _LONGEST_HEARTBEAT):
        found = f"PREFECT_FLOWS_HEARTBEAT_FREQUENCY={text}: a second execution could not tell that the first is alive."
        return failed(check, found, "Leave it out, for 30 seconds: set env.PREFECT_FLOWS_HEARTBEAT_FREQUENCY=")
    if configuration.on_requeue == "always":
        found = "A task that Batch requeues runs again, even if its run has ended or is executing elsewhere."
        return warning(check, found, "set on_requeue=rerun")
    by = "the image's entry point, which has to be the launcher" if configuration.image else "the node"
    return passed(check, f"{by}: {command_line(configuration)}")


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
