"""How a variable refers to a secret of Key Vault: the syntax of App Service, by the secret's address.

The work pool checks by it what a user gives, and the launcher what it resolves.
https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
"""

import re

EXAMPLE = "@Microsoft.KeyVault(SecretUri=https://VAULT.vault.azure.net/secrets/NAME)"
_BEGINNING = re.compile(r"\s*@Microsoft\.KeyVault\(", re.IGNORECASE)
_FORM = re.compile(
    r"\s*@Microsoft\.KeyVault\(\s*SecretUri\s*=\s*(https://[^\s/()]+/secrets/[a-z0-9-]+(?:/[a-z0-9]+)?)/?\s*\)\s*",
    re.IGNORECASE | re.ASCII,
)


def begins_as_reference(text: str) -> bool:
    """Whether it is meant as a reference, be it one or not."""
    return _BEGINNING.match(text) is not None


def secret_address(text: str) -> str | None:
    """The address of the secret, with its version if one is named; None for what is no reference."""
    form = _FORM.fullmatch(text)
    return form[1] if form else None


def is_reference(text: str) -> bool:
    return secret_address(text) is not None
