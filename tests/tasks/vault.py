"""A Key Vault and a machine's identity endpoint, as the real SDKs meet them: TLS, a challenge, pages, a bearer token.

https://learn.microsoft.com/rest/api/keyvault/secrets, and for the identity
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme

TOKEN = "token-of-the-machine"
HEADER = "header-of-the-machine"
PAGE = 2  # secrets in a page of the list


@dataclass
class Vault:
    """A `status` other than 200 answers every request that has a token. `asked` are the paths of those requests."""

    secrets: Mapping[str, str]
    disabled: frozenset[str] = frozenset()
    status: int = 200
    asked: list[str] = field(default_factory=list)
    url: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def serve_vault(vault: Vault, folder: Path) -> Iterator[Vault]:
    """Sets the vault's URL, and the environment of a process that may read it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with _served(_vault_handler(vault), context) as port, _served(_Identity) as identity:
        vault.url = f"https://127.0.0.1:{port}"
        vault.environment = {
            "ETL_KEY_VAULT_URL": vault.url,
            "REQUESTS_CA_BUNDLE": str(folder / "authority.pem"),
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{identity}/msi/token",
            "IDENTITY_HEADER": HEADER,
        }
        yield vault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, content: object, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        pass


class _Identity(_Handler):
    def do_GET(self) -> None:
        if self.headers.get("X-IDENTITY-HEADER") != HEADER:
            self.answer(401, {"error": "not this machine"})
            return
        resource = parse_qs(urlsplit(self.path).query)["resource"][0]
        expires = str(int(time.time()) + 3600)
        self.answer(200, {"access_token": TOKEN, "expires_on": expires, "resource": resource, "token_type": "Bearer"})


def _vault_handler(vault: Vault) -> type[_Handler]:
    class Secrets(_Handler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path.strip("/"), parse_qs(urlsplit(self.path).query)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                # The SDK wants the resource to be the vault's parent domain: 0.0.1 is that of 127.0.0.1.
                resource = vault.url.replace("127.0.0.1", "0.0.1")
                login = f'Bearer authorization="https://login.microsoftonline.com/t", resource="{resource}"'
                self.answer(401, _error("Unauthorized", "no token"), **{"WWW-Authenticate": login})
                return
            vault.asked.append(path)
            if vault.status != 200:
                self.answer(
                    vault.status, _error("Forbidden", "Caller is not authorized to perform action on resource.")
                )
            elif path == "secrets":
                self.answer(200, self._page(int(query.get("skip", ["0"])[0])))
            elif (name := path.split("/")[1]) not in vault.secrets:
                self.answer(404, _error("SecretNotFound", f"A secret with (name/id) {name} was not found."))
            else:
                self.answer(200, {"value": vault.secrets[name], "id": self._id(name) + "/v1", "attributes": {}})

        def _page(self, skip: int) -> dict[str, object]:
            names = sorted(vault.secrets)
            shown = [{"id": self._id(n), "attributes": {"enabled": n not in vault.disabled}} for n in names]
            following = f"{vault.url}/secrets?api-version=7.5&skip={skip + PAGE}" if skip + PAGE < len(names) else None
            return {"value": shown[skip : skip + PAGE], "nextLink": following}

        def _id(self, name: str) -> str:
            return f"{vault.url}/secrets/{name}"

    return Secrets


def _error(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}


@contextmanager
def _served(handler: type[_Handler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
