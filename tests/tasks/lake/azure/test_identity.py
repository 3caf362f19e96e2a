"""A lake opened by the machine's managed identity: a token endpoint as Azure's nodes have it, and Azurite by TLS.

Azurite looks at a token's audience, issuer and lifetime, not at its signature, nor at roles.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from polars.testing import assert_frame_equal

from tasks.errors import ConfigurationError
from tasks.lake import open_lake
from tests.servers.azurite import Azurite, running_azurite
from tests.tasks.lake.azure.lakes import store_in
from tests.tasks.lake.examples import READINGS, change, readings

PATIENCE = 120  # seconds for a process of ours


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a private authority's certificate, `ca.pem`, and a server's: `cert.pem` and `key.pem`."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server = authority.issue_cert("127.0.0.1")
    server.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    server.private_key_pem.write_to_path(folder / "key.pem")
    return folder


@pytest.fixture(scope="module")
def secure_azurite(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    options = ["--oauth", "basic", "--cert", str(authority / "cert.pem"), "--key", str(authority / "key.pem")]
    with running_azurite(tmp_path_factory.mktemp("azurite"), *options) as server:
        yield server


@dataclass
class TokenEndpoint:
    """What Azure has at 169.254.169.254: `lifetime` in seconds of the tokens it gives, and for what they were asked."""

    url: str
    lifetime: float = 3600
    resources: list[str] = field(default_factory=list)

    def token(self, resource: str) -> dict[str, str]:
        now = int(time.time())
        claims = {"aud": resource, "iss": "https://sts.windows.net/tenant/", "iat": now, "nbf": now - 5}
        parts = ({"alg": "none", "typ": "JWT"}, claims | {"exp": int(now + self.lifetime)})
        encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
        return {
            "access_token": ".".join([*encoded, "signature"]),
            "expires_in": str(int(self.lifetime)),
            "expires_on": str(int(now + self.lifetime)),
            "resource": resource,
            "token_type": "Bearer",
        }


@contextmanager
def token_endpoint() -> Iterator[TokenEndpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (resource,) = parse_qs(urlsplit(self.path).query)["resource"]
            endpoint.resources.append(resource)
            body = json.dumps(endpoint.token(resource)).encode()
            self.send_response(200 if self.headers["Metadata"] else 400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = TokenEndpoint(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def publish_and_read(url: str) -> None:
    """What the other process does, with nothing but the URL."""
    lake = open_lake(url)
    lake.update(READINGS, "year=2024", lambda _: change(readings(1.0, 2.0)), "run")
    assert_frame_equal(lake.read(READINGS, lake.partitions(READINGS)).collect(), readings(1.0, 2.0))


def opened_elsewhere(url: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    script = f"from {__name__} import publish_and_read; publish_and_read({url!r})"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_", "MSI_"))}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_managed_identity_writes_and_reads(secure_azurite: Azurite, authority: Path) -> None:
    trusted = str(authority / "ca.pem")
    with token_endpoint() as endpoint:
        done = opened_elsewhere(
            secure_azurite.account().url,
            AZURE_POD_IDENTITY_AUTHORITY_HOST=endpoint.url,
            REQUESTS_CA_BUNDLE=trusted,
            SSL_CERT_FILE=trusted,
        )

    assert done.returncode == 0, done.stderr
    assert set(endpoint.resources) == {"https://storage.azure.com"}


def test_no_identity_is_an_error_that_says_what_to_do(secure_azurite: Azurite, authority: Path) -> None:
    done = opened_elsewhere(
        secure_azurite.account().url,
        AZURE_POD_IDENTITY_AUTHORITY_HOST="http://127.0.0.1:9",
        REQUESTS_CA_BUNDLE=str(authority / "ca.pem"),
    )

    assert done.returncode == 1
    assert "AuthenticationError" in done.stderr
    assert "needs an identity, and none was found" in done.stderr
    assert "set ETL_LAKE_ACCOUNT_KEY" in done.stderr


def test_an_expired_token_is_refused_with_the_services_reason(secure_azurite: Azurite, authority: Path) -> None:
    with token_endpoint() as endpoint:
        endpoint.lifetime = -1
        done = opened_elsewhere(
            secure_azurite.account().url,
            AZURE_POD_IDENTITY_AUTHORITY_HOST=endpoint.url,
            REQUESTS_CA_BUNDLE=str(authority / "ca.pem"),
        )

    assert done.returncode == 1
    assert "AuthenticationError" in done.stderr, done.stderr
    assert "was answered 4" in done.stderr
    assert "The identity's token is refused: Lifetime validation failed" in done.stderr


def test_a_certificate_that_nobody_vouches_for(secure_azurite: Azurite) -> None:
    with pytest.raises(ConfigurationError, match=r"certificate is not trusted.*REQUESTS_CA_BUNDLE and SSL_CERT_FILE"):
        store_in(secure_azurite.account()).read("raw/p")
