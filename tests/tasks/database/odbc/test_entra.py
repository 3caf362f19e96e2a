"""The access token of a machine's identity, as Microsoft's ODBC driver takes it."""

import struct

import pytest
from azure.core.credentials import AccessToken
from azure.identity import CredentialUnavailableError

from tasks.database.odbc import entra
from tasks.errors import AuthenticationError


class Identity:
    """A machine's identity."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str) -> AccessToken:
        self.scopes += scopes
        return AccessToken("tok€n", 0)


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("server.database.windows.net", "https://database.windows.net/.default"),
        ("server.database.usgovcloudapi.net", "https://database.usgovcloudapi.net/.default"),
        ("my-own-name.example", "https://database.windows.net/.default"),
    ],
)
def test_a_token_is_sent_as_the_driver_wants_it(host: str, scope: str) -> None:
    identity = Identity()

    attribute = entra.token(host, credential=identity)[entra.SQL_COPT_SS_ACCESS_TOKEN]

    assert identity.scopes == [scope]
    (length,) = struct.unpack("<I", attribute[:4])
    assert attribute[4:].decode("utf-16-le") == "tok€n"
    assert length == len(attribute) - 4


def test_a_machine_without_an_identity_is_told_what_to_do() -> None:
    class Nobody:
        def get_token(self, *scopes: str) -> AccessToken:
            raise CredentialUnavailableError("no identity endpoint")

    with pytest.raises(
        AuthenticationError, match=r"token for server .*: no identity endpoint\..*CREATE USER.*user and password"
    ):
        entra.token("server", credential=Nobody())
