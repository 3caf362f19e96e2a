"""The references to secrets of Key Vault among variables, and their values."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batch_launcher.exit_codes import ExitCode, Refusal
from batch_launcher.reference_syntax import EXAMPLE, begins_as_reference, secret_address

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.keyvault.secrets import SecretClient

# A busy vault, or a node whose network has just come up, is given about a minute.
_PATIENCE = {"connection_timeout": 10, "read_timeout": 10, "retry_total": 5, "retry_connect": 3, "retry_read": 3}
_AT_ONCE = 4  # requests; the node's identity endpoint refuses more than a few


@dataclass(frozen=True)
class SecretReference:
    """What a variable refers to. `version` is empty for the current one."""

    variable: str
    vault: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.variable} refers to {self.vault}/secrets/{self.name}"


def find_references(environment: Mapping[str, str]) -> list[SecretReference]:
    """Raises Refusal with CONFIGURATION that names all variables that begin as a reference and are none."""
    addresses = {name: secret_address(value) for name, value in environment.items() if begins_as_reference(value)}
    if wrong := [name for name, address in addresses.items() if address is None]:
        raise Refusal(
            ExitCode.CONFIGURATION, f"{', '.join(wrong)}: no reference that can be resolved. Write {EXAMPLE}."
        )
    return [_reference(name, address) for name, address in addresses.items() if address is not None]


def resolve(references: Sequence[SecretReference], client_id: str | None) -> dict[str, str]:
    """The secrets by variable, read with the node's identity, or the one with this id where it has several.

    Raises Refusal, with a line for each reference that failed and in none a value; its code is that of the failure
    which waiting would not mend."""
    # Imported here: a third of a second, which tasks without references need not wait for.
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415
    from azure.keyvault.secrets import SecretClient  # noqa: PLC0415

    with ExitStack() as stack:
        identity = stack.enter_context(ManagedIdentityCredential(client_id=client_id))
        vaults = {reference.vault for reference in references}
        clients = {vault: stack.enter_context(SecretClient(vault, identity, **_PATIENCE)) for vault in vaults}
        pool = stack.enter_context(ThreadPoolExecutor(_AT_ONCE))
        answers = list(pool.map(lambda reference: _read(clients[reference.vault], reference), references))
    if failures := [answer for answer in answers if isinstance(answer, Refusal)]:
        raise Refusal(min(failure.code for failure in failures), "\n".join(str(failure) for failure in failures))
    values = [answer for answer in answers if isinstance(answer, str)]
    return {reference.variable: value for reference, value in zip(references, values, strict=True)}


def _reference(variable: str, address: str) -> SecretReference:
    url = urlsplit(address)
    _, _, name, *version = url.path.split("/")
    return SecretReference(variable, f"https://{url.netloc}", name, "".join(version))


def _read(client: "SecretClient", reference: SecretReference) -> str | Refusal:
    from azure.core.exceptions import AzureError  # noqa: PLC0415

    try:
        value = client.get_secret(reference.name, reference.version or None).value
    except AzureError as error:
        return _explained(error, reference)
    except ValueError as error:  # what answers is no vault of this address; the SDK gives it no token
        return Refusal(ExitCode.CONFIGURATION, f"{reference}, which is no Key Vault: {_first_line(error)}.")
    return value if value is not None else Refusal(ExitCode.SECRET_REFUSED, f"{reference}, which has no value.")


def _explained(error: "AzureError", reference: SecretReference) -> Refusal:
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError  # noqa: PLC0415

    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status == 404:
        return Refusal(
            ExitCode.SECRET_REFUSED, f"{reference}, which is not there. Create the secret, or mend the reference."
        )
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):
        return Refusal(
            ExitCode.SECRET_REFUSED,
            f"{reference}, which the node's identity may not read: {_first_line(error)}. Give the pool an identity "
            "with the role Key Vault Secrets User; AZURE_CLIENT_ID chooses among several.",
        )
    if status is None or status == 429 or status >= 500:
        return Refusal(
            ExitCode.VAULT_UNAVAILABLE,
            f"{reference}, which could not be reached: {_first_line(error)}. Check the vault's name and the node's "
            "network, or run again later.",
        )
    return Refusal(ExitCode.CONFIGURATION, f"{reference}, which Key Vault does not accept: {_first_line(error)}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
