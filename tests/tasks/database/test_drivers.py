"""A driver is imported when a URL asks for it; one that cannot be is a sentence, and the other stores go on."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OPEN = """
import sys
from tasks.errors import EtlError
from tasks.load.warehouse import open_warehouse
try:
    with open_warehouse(sys.argv[1]):
        print("opened")
except EtlError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A folder whose modules come before all others in the process that `said` starts."""
    folder = tmp_path / "modules"
    folder.mkdir()
    return folder


@pytest.fixture
def said(modules: Path) -> Callable[[str], str]:
    """What a process says that opens a URL."""

    def opened(url: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", OPEN, url],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(modules)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout + done.stderr

    return opened


@pytest.fixture
def no_unixodbc(modules: Path) -> None:
    """The driver's own module asks the system for a library that is not there."""
    spec = find_spec("pyodbc")
    assert spec
    assert spec.origin
    module = Path(spec.origin)
    # Where it asks for none by this name, what is left is no module at all, which no system loads either.
    parts = module.read_bytes().partition(b"libodbc.so.2")
    (modules / module.name).write_bytes(b"libodbX.so.2".join(parts[::2]) if parts[1] else b"")


@pytest.mark.usefixtures("no_unixodbc")
def test_without_unixodbc_sqlite_is_opened_all_the_same(said: Callable[[str], str], tmp_path: Path) -> None:
    assert said(f"sqlite:///{tmp_path}/warehouse.sqlite") == "opened\n"


@pytest.mark.usefixtures("no_unixodbc")
@pytest.mark.parametrize("scheme", ["mssql", "odbc+postgresql"])
def test_without_unixodbc_a_url_that_needs_it_says_how_to_install_it(said: Callable[[str], str], scheme: str) -> None:
    told = said(f"{scheme}://etl:s3cret@sql.example/prices?pwd=hidden")
    assert told.startswith(f"ConfigurationError The database {scheme}://etl:***@sql.example/prices needs pyodbc, which")
    assert sys.platform != "linux" or "libodbX.so.2: cannot open shared object file" in told
    assert "apt-get install unixodbc" in told
    assert "brew install unixodbc" in told
    assert "Windows" in told
    assert "s3cret" not in told
    assert "hidden" not in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("mssql://host/prices", "pyodbc", "pyodbc"),
        ("sqlite:///prices.sqlite", "adbc_driver_sqlite", "adbc-driver-sqlite"),
        ("postgresql://127.0.0.1:1/prices", "adbc_driver_postgresql", "adbc-driver-postgresql"),
        ("adbc+duckdb://?path=prices", "adbc_driver_manager", "adbc-driver-manager"),
        ("adbc+broken://?path=prices", "adbc_driver_broken", "adbc-driver-broken"),
    ],
)
def test_a_driver_that_is_not_installed_is_a_sentence(
    said: Callable[[str], str], modules: Path, url: str, module: str, package: str
) -> None:
    (modules / f"{module}.py").write_text("import no_such_module")
    told = said(url)
    assert told.startswith(f"ConfigurationError The database {url.partition('?')[0].rstrip('/')}")
    assert f"needs {package}, which is not installed" in told
    assert f"pip install {package}" in told
    assert len(told.splitlines()) == 1


def test_one_driver_does_not_import_another(tmp_path: Path) -> None:
    program = (
        "import sys; from tasks.load.warehouse import open_warehouse; "
        f"open_warehouse('sqlite:///{(tmp_path / 'warehouse.sqlite').as_posix()}').__exit__(None, None, None); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "adbc_driver_sqlite" in imported
    assert not imported & {"pyodbc", "adbc_driver_postgresql", "azure"}
