"""A library that cannot be imported is told in words by whoever needs it, and by nobody else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import ConfigurationError
from tasks.libraries import Library, require

ROOT = Path(__file__).parents[2]
LAKE = "from tasks.lake import open_lake; open_lake('https://etl.blob.core.windows.net')"
SETTINGS = """
import os; os.environ['ETL_KEY_VAULT_URL'] = 'https://etl.vault.azure.net'
from tasks.settings import load_settings; load_settings()
"""
WORKBOOK = """
from pathlib import Path
from datetime import date
from tasks.extract.wide_files.wide_file import open_wide_file
from tasks.extract.wide_files.layout import Layout
Path('prices.xlsx').write_bytes(b'PK\\x03\\x04'); open_wide_file(Path('prices.xlsx'), Layout(), date.max)
"""
BLOCK = """
from tasks.lake import LakeCredentials, open_lake
open_lake('https://etl.blob.core.windows.net', LakeCredentials(block='lake'))
"""
IDENTITY = """
from tasks.load.warehouse import open_warehouse
open_warehouse('mssql://etl.database.windows.net/prices?driver=/no/driver')
"""


@pytest.mark.parametrize(
    ("program", "module", "words"),
    [
        (LAKE, "azure/storage/blob", "A lake in a storage account, as ETL_LAKE_URL names one, needs azure-identity"),
        (SETTINGS, "azure/keyvault/secrets", "ETL_KEY_VAULT_URL needs azure-identity azure-keyvault-secrets, which"),
        (WORKBOOK, "fastexcel", "An Excel workbook needs fastexcel, which is not installed"),
        (BLOCK, "prefect_azure", "ETL_LAKE_CREDENTIALS_BLOCK needs prefect-azure, which is not installed"),
        (
            IDENTITY,
            "azure/identity",
            "The database at etl.database.windows.net, without a user in its URL, needs azure",
        ),
    ],
    ids=["lake", "key vault", "workbook", "block", "identity"],
)
def test_who_needs_a_library_says_what_to_install(program: str, module: str, words: str, tmp_path: Path) -> None:
    (tmp_path / module).mkdir(parents=True)
    (tmp_path / module / "__init__.py").write_text("import no_such_module")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"tasks.errors.ConfigurationError: {words}")
    assert "pip install " in last


def test_a_library_that_cannot_be_loaded_says_what_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "halfthere.py").write_text("raise ImportError('libhalf.so.1: cannot open shared object file\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match="The page needs half-there, which cannot be loaded") as refusal:
        require(Library("half-there", ("halfthere",)), "The page")
    assert "(libhalf.so.1: cannot open shared object file)" in str(refusal.value)
    assert "pip install --force-reinstall half-there" in str(refusal.value)
    assert "Visual C++ Redistributable" in str(refusal.value)
