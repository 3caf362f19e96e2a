"""The machine's identity for Azure SQL: an access token of Entra ID in the place of a user and password."""

import struct
from typing import Protocol

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential

from tasks.errors import AuthenticationError
from tasks.redaction import redact

SQL_COPT_SS_ACCESS_TOKEN = 1256  # of Microsoft's driver: an attribute that is set before connecting

_PUBLIC = "database.windows.net"
_OTHER_CLOUDS = ("database.usgovcloudapi.net", "database.chinacloudapi.cn")
# The SDK's own patience would hold up a machine without an identity for minutes.
_PATIENCE = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 3}


class Credential(Protocol):
    def get_token(self, *scopes: str) -> AccessToken: ...


def token(host: str, client_id: str = "", credential: Credential | None = None) -> dict[int, bytes]:
    """The attribute for the driver. `client_id` chooses one of several managed identities.

    Raises AuthenticationError where the machine has no identity. The token is asked for anew for every connection;
    one lasts an hour or more, and a connection outlives it.
    """
    scope = next((cloud for cloud in _OTHER_CLOUDS if host.lower().endswith(cloud)), _PUBLIC)
    try:
        # None, said aloud, would override AZURE_CLIENT_ID.
        chosen = {"managed_identity_client_id": client_id} if client_id else {}
        source = credential or DefaultAzureCredential(**chosen, **_PATIENCE)
        text = source.get_token(f"https://{scope}/.default").token.encode("utf-16-le")
    except (AzureError, ValueError) as error:
        said = (redact(str(error)).splitlines() or [type(error).__name__])[0].rstrip(". ")
        raise AuthenticationError(
            f"No access token for {host} could be had from this machine's identity: {said}. Give the machine a managed "
            "identity that is a user of the database (CREATE USER [...] FROM EXTERNAL PROVIDER), `az login`, or put a "
            "user and password into ETL_WAREHOUSE_URL."
        ) from error
    return {SQL_COPT_SS_ACCESS_TOKEN: struct.pack("<I", len(text)) + text}
