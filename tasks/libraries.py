"""Libraries that are imported when something asks for them, and what to do about one that cannot be.

A run imports what it uses: a driver when a URL asks for it, an SDK of Azure where something of Azure is used."""

from dataclasses import dataclass
from importlib import import_module

from tasks.errors import ConfigurationError

_OF_THE_SYSTEM = (
    "install it anew (pip install --force-reinstall {package}); on Windows, the Microsoft Visual C++ Redistributable "
    "too (winget install Microsoft.VCRedist.2015+.x64)"
)


@dataclass(frozen=True)
class Library:
    """What pip installs, the modules of it that are used, and what to do where these lack something of the system."""

    package: str
    modules: tuple[str, ...]
    remedy: str = _OF_THE_SYSTEM


PYODBC = Library(
    "pyodbc",
    ("pyodbc",),
    "install unixODBC, whose library that is (apt-get install unixodbc on Debian, brew install unixodbc on macOS); "
    "Windows has its own, and needs the Microsoft Visual C++ Redistributable (winget install "
    "Microsoft.VCRedist.2015+.x64)",
)
ADBC = Library("adbc-driver-manager", ("adbc_driver_manager.dbapi",))
ADBC_SQLITE = Library("adbc-driver-sqlite", ("adbc_driver_sqlite.dbapi",))
ADBC_POSTGRESQL = Library("adbc-driver-postgresql", ("adbc_driver_postgresql.dbapi",))
AZURE_IDENTITY = Library("azure-identity", ("azure.identity",))
AZURE_BLOBS = Library("azure-identity azure-storage-blob", ("azure.identity", "azure.storage.blob"))
KEY_VAULT = Library("azure-identity azure-keyvault-secrets", ("azure.identity", "azure.keyvault.secrets"))
PREFECT_AZURE = Library("prefect-azure", ("prefect_azure",))
EXCEL = Library("fastexcel", ("fastexcel",))
DASHBOARD = Library("'prefect-on-azure-batch[dashboard]'", ("altair", "jinja2", "vl_convert"))


def require(library: Library, wanted_by: str) -> None:
    """Imports the library. Raises ConfigurationError where it cannot be, which begins with who asked: `wanted_by`."""
    try:
        for module in library.modules:
            import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{wanted_by} needs {library.package}, which is not installed ({error}). Install it: pip install "
            f"{library.package}."
        ) from error
    except ImportError as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigurationError(
            f"{wanted_by} needs {library.package}, which cannot be loaded ({said}). Where a library of the system is "
            f"missing, {library.remedy.format(package=library.package)}."
        ) from error
