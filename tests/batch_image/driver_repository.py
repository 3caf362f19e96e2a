"""A signed Debian repository as Microsoft's is laid out, with a package in the place of its ODBC driver."""

import hashlib
import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

_CONTROL = """Package: msodbcsql18
Version: 18.0
Architecture: all
Depends: unixodbc
Maintainer: nobody <nobody@example.org>
Description: stands for a driver
"""
_LICENCE = '#!/bin/sh\n[ "$ACCEPT_EULA" = Y ] || { echo "the licence was not accepted" >&2; exit 1; }\n'


@contextmanager
def driver_repository(folder: Path) -> Iterator[str]:
    """Its URL. The package installs `/opt/microsoft/driver`, if the licence is accepted."""
    suite = folder / "served" / "debian" / "12" / "prod"
    _make_package(folder, suite)
    _sign(folder, suite / "dists" / "bookworm")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder / "served"))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        pass


def _make_package(folder: Path, suite: Path) -> None:
    contents = folder / "package"
    for name, text in {
        "DEBIAN/control": _CONTROL,
        "DEBIAN/preinst": _LICENCE,
        "opt/microsoft/driver": "here\n",
    }.items():
        (contents / name).parent.mkdir(parents=True, exist_ok=True)
        (contents / name).write_text(text)
    (contents / "DEBIAN/preinst").chmod(0o755)
    suite.mkdir(parents=True)
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", contents, suite / "driver.deb"], check=True, capture_output=True
    )
    package = (suite / "driver.deb").read_bytes()
    entry = f"{_CONTROL}Filename: driver.deb\nSize: {len(package)}\nSHA256: {hashlib.sha256(package).hexdigest()}\n"
    index = suite / "dists" / "bookworm" / "main" / "binary-amd64" / "Packages"
    index.parent.mkdir(parents=True)
    index.write_text(entry)


def _sign(folder: Path, distribution: Path) -> None:
    index = "main/binary-amd64/Packages"
    listed = (distribution / index).read_bytes()
    release = (
        "Origin: tests\nSuite: bookworm\nCodename: bookworm\nArchitectures: amd64\nComponents: main\n"
        f"Date: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n {hashlib.sha256(listed).hexdigest()} {len(listed)} {index}\n"
    )
    (folder / "gnupg").mkdir(mode=0o700)
    keys = folder / "served" / "keys" / "microsoft.asc"
    keys.parent.mkdir()
    gpg = ["gpg", "--homedir", str(folder / "gnupg"), "--batch", "--quiet", "--yes", "--passphrase", ""]
    subprocess.run(
        [*gpg, "--quick-generate-key", "tests@example.org", "rsa2048", "sign"], check=True, capture_output=True
    )
    subprocess.run([*gpg, "--armor", "--output", keys, "--export"], check=True, capture_output=True)
    signed = [*gpg, "--clearsign", "--output", str(distribution / "InRelease")]
    subprocess.run(signed, input=release, text=True, check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", str(folder / "gnupg"), "--kill", "all"], check=True, capture_output=True)
