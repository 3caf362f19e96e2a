"""What only a SQLite warehouse can suffer, and how its file looks."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa
from adbc_driver_sqlite import dbapi
from polars.testing import assert_frame_equal
from pydantic import SecretStr

from tasks.database.dialects.sqlite import errors as driver_errors
from tasks.errors import ConfigurationError, ContractError, FatalError, TransientError
from tasks.load.warehouse import Warehouse, open_warehouse
from tests.tasks.warehouses import program
from tests.tasks.warehouses.examples import QUOTES, part, query, quotes, table

ROWS = quotes(("A", 1, 1.0, 1), ("B", 1, 2.0, None))


@pytest.fixture
def warehouse_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/warehouse.sqlite"


def _load(path: Path, snapshot: str = "s1", rows: pl.DataFrame = ROWS) -> None:
    with open_warehouse(f"sqlite:///{path}") as warehouse:
        warehouse.load(QUOTES, [part(snapshot, rows)], run="r1")


def _table(path: Path) -> pl.DataFrame:
    with open_warehouse(f"sqlite:///{path}") as warehouse:
        return table(warehouse)


def test_the_result_is_one_file_and_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "ware house #1?.sqlite"
    path.parent.parent.mkdir()

    _load(Path(str(path).replace("?", "")))

    assert [p.name for p in path.parent.iterdir()] == ["ware house #1.sqlite"]


def test_a_relative_path_is_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_warehouse(SecretStr("sqlite:///sub/warehouse.sqlite")) as warehouse:
        warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")

    assert (tmp_path / "sub/warehouse.sqlite").is_file()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("warehouse.sqlite", "not a URL of the form"),
        ("oracle://scott:tiger@db/prices", r"begins with oracle://, which is not supported.*postgresql://"),
        ("sqlite://", "names no SQLite file"),
        ("sqlite:///:memory:", "names no SQLite file"),
        ("sqlite://host/file.sqlite", "names no SQLite file"),
        ("sqlite:///x.sqlite?mode=ro", "parameters that SQLite does not take: mode"),
        ("sqlite:///x.sqlite?lock_timeout=soon", "lock_timeout=soon .* is not a number of seconds"),
        ("sqlite:///x.sqlite?lock_timeout=-1", "lock_timeout=-1"),
        ("sqlite:///x.sqlite?lock_timeout=nan", "lock_timeout=nan"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_its_secrets(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as raised:
        open_warehouse(url)

    assert "tiger" not in str(raised.value)


@pytest.mark.parametrize("content", [b"hello, I am a text file", os.urandom(8192)])
def test_a_file_that_is_not_a_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"prices\.csv is not a SQLite database.* ETL_WAREHOUSE_URL"):
        _load(path)

    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    path.touch()

    _load(path)

    assert_frame_equal(_table(path), ROWS)


def test_a_damaged_database_is_told_from_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.sqlite"
    _load(path, rows=program.rows(0, "1"))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 65536)

    with pytest.raises(FatalError, match=r"is damaged.*loaded whole from the lake"):
        _table(path)


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(ConfigurationError, match="is not a file"):
        _load(tmp_path)
    with pytest.raises(ConfigurationError, match=r"folder .*file/sub of the warehouse cannot be made: Not a directory"):
        _load(tmp_path / "file/sub/warehouse.sqlite")


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that another user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def _unprivileged() -> Iterator[None]:
    """As a user whom the mode of a file can stop."""
    if sys.platform != "linux" or os.getuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="files of Windows have no modes")
def test_a_file_or_folder_that_may_not_be_written_is_refused(shared_folder: Path) -> None:
    path = shared_folder / "warehouse.sqlite"
    _load(path)
    path.chmod(0o444)
    shared_folder.chmod(0o555)

    with _unprivileged():
        assert_frame_equal(_table(path), ROWS)
        with pytest.raises(ConfigurationError, match=r"may only be read.*ETL_WAREHOUSE_URL"):
            _load(path, "s2", quotes(("C", 1, 1.0, 1)))
        with pytest.raises(ConfigurationError, match="its folder may not be written"):
            _load(shared_folder / "other.sqlite")
        with pytest.raises(ConfigurationError, match="cannot be made: Permission denied"):
            _load(shared_folder / "sub" / "other.sqlite")
    path.chmod(0o000)
    with _unprivileged(), pytest.raises(ConfigurationError, match="may not be read"):
        _load(path)
    path.chmod(0o600)
    shared_folder.chmod(0o755)
    assert_frame_equal(_table(path), ROWS)


def test_a_database_that_may_grow_no_more_is_as_before(warehouse: Warehouse, execute: Callable[[str], int]) -> None:
    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")
    query(warehouse, "PRAGMA max_page_count = 40")

    with pytest.raises(FatalError, match=r"disk is full.*Free some space"):
        warehouse.load(QUOTES, [part("s2", program.rows(0, "1"))], run="r2")

    assert_frame_equal(table(warehouse), ROWS)
    assert warehouse.loaded(QUOTES) == {"p": "s1"}
    query(warehouse, "PRAGMA max_page_count = 1000000")
    assert warehouse.load(QUOTES, [part("s2", program.rows(0, "1"))], run="r3").inserted == 30_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_everything_as_it_was(small_disk: Path) -> None:
    path = small_disk / "warehouse.sqlite"
    before = program.rows(0, "1")
    _load(path, rows=before)
    (small_disk / "ballast").write_bytes(bytes(512 * 1024))

    with pytest.raises(FatalError, match="disk is full"):
        _load(path, "s2", pl.concat([program.rows(0, "2"), program.rows(1, "2"), program.rows(2, "2")]))

    assert_frame_equal(_table(path), before)
    (small_disk / "ballast").unlink()
    assert [p.name for p in small_disk.iterdir()] == ["warehouse.sqlite"]
    _load(path, "s2", quotes(("C", 1, 1.0, 1)))


def test_a_first_load_onto_a_full_disk_fails_clearly(small_disk: Path) -> None:
    path = small_disk / "warehouse.sqlite"

    with pytest.raises(FatalError, match="disk is full"):
        _load(path, rows=pl.concat([program.rows(n, "2") for n in range(8)]))

    with open_warehouse(f"sqlite:///{path}") as warehouse:
        assert query(warehouse, "SELECT name FROM sqlite_schema").is_empty()


def test_a_reader_that_stays_is_named(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.sqlite"
    _load(path)
    with dbapi.connect(str(path)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT code FROM quotes")  # the driver's transaction, and with it the lock, stays open
        cursor.fetchall()

        with (
            open_warehouse(f"sqlite:///{path}?lock_timeout=0.1") as writer,
            pytest.raises(TransientError, match=who(os.getpid(), "this one")),
        ):
            writer.load(QUOTES, [part("s2", ROWS)], run="r2")


def who(process: int, name: str) -> str:
    """What the error says of who holds the lock: Linux tells."""
    told = Path("/proc/locks").exists()
    return rf"process {process} \({name}\)" if told else r"(`lsof .*`|Resource Monitor) shows who holds it"


def test_an_interrupt_during_a_load_is_one_and_leaves_everything_as_it_was(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")
    ingest = dbapi.Cursor.adbc_ingest

    def interrupted(cursor: dbapi.Cursor, table: str, rows: pa.RecordBatchReader, **options: Any) -> int:
        def batches() -> Iterator[pa.RecordBatch]:
            yield rows.read_next_batch()
            os.kill(os.getpid(), signal.SIGINT)  # while the driver waits for more
            yield from rows

        return ingest(cursor, table, pa.RecordBatchReader.from_batches(rows.schema, batches()), **options)

    with monkeypatch.context() as patches:
        patches.setattr(dbapi.Cursor, "adbc_ingest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            warehouse.load(QUOTES, [part("s2", program.everything("1"))], run="r2")

    assert_frame_equal(table(warehouse), ROWS)
    assert warehouse.load(QUOTES, [part("s2", ROWS)], run="r3").unchanged == 2


def test_rows_that_a_trigger_swallows_are_noticed(warehouse: Warehouse, execute: Callable[[str], int]) -> None:
    # As close as one comes to a driver that drops rows silently.
    warehouse.load(QUOTES, [part("s1", quotes())], run="r1")
    execute("CREATE TRIGGER thief BEFORE INSERT ON quotes WHEN NEW.code = 'B' BEGIN SELECT RAISE(IGNORE); END")

    with pytest.raises(ContractError, match="2 rows were written and 1 are in it"):
        warehouse.load(QUOTES, [part("s2", quotes(("A", 1, 1.0, 1), ("B", 1, 2.0, 2)))], run="r2")
    warehouse.load(QUOTES, [part("s2", quotes(("A", 1, 1.0, 1)))], run="r2")
    with pytest.raises(ContractError, match="to insert or update 2, affected 1"):
        warehouse.load(QUOTES, [part("s3", quotes(("A", 1, 1.5, 1), ("B", 1, 2.0, 2)))], run="r3")
    with pytest.raises(ContractError, match="read 2, affected 1"):
        warehouse.load(QUOTES, [part("s3", quotes(("B", 1, 2.0, 2), ("C", 1, 2.0, 2)))], "append", run="r3")

    assert_frame_equal(table(warehouse), quotes(("A", 1, 1.0, 1)))


def test_a_table_is_one_tree_and_its_values_are_plain(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", quotes(("A", 1, 1.0, 1), ("zero\0byte", 1, 1.0, None)))], run="r1")

    assert "WITHOUT ROWID" in query(warehouse, "SELECT sql FROM sqlite_schema WHERE name = 'quotes'").item()
    types = query(warehouse, "SELECT code, day, typeof(day), typeof(close), typeof(volume) FROM quotes ORDER BY code")
    assert types.rows() == [
        ("A", "2024-01-01", "text", "real", "integer"),
        ("zero\0byte", "2024-01-01", "text", "real", "null"),
    ]
    loaded_at = query(warehouse, "SELECT loaded_at FROM etl_loads").item()
    assert loaded_at.endswith("Z")
    assert query(warehouse, "SELECT datetime(:t)", {"t": loaded_at}).item() == loaded_at[:19].replace("T", " ")


def test_nothing_is_left_of_staging(warehouse: Warehouse) -> None:
    for snapshot in ("s1", "s2"):
        warehouse.load(QUOTES, [part(snapshot, ROWS, [("A", 1)])], run="r1")

    assert query(warehouse, "SELECT name FROM temp.sqlite_schema").is_empty()
    names = query(warehouse, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")["name"].to_list()
    assert names == ["etl_loads", "quotes"]


def test_a_load_into_a_file_with_a_write_ahead_log_keeps_it(warehouse: Warehouse) -> None:
    query(warehouse, "PRAGMA journal_mode = wal")

    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")

    assert query(warehouse, "PRAGMA journal_mode").item() == "wal"
    assert_frame_equal(table(warehouse), ROWS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("IO: failed to execute query: disk I/O error", TransientError),
        ("INTERNAL: failed to execute: string or blob too big", ContractError),
        ("[SQLite] Type mismatch in column 0: expected INT64 but got DOUBLE", ContractError),
        ("something new", FatalError),
    ],
)
def test_failures_that_are_hard_to_bring_about_are_explained(tmp_path: Path, text: str, kind: type) -> None:
    found = driver_errors.explained(text, tmp_path / "w.sqlite", 1.0)

    assert type(found) is kind
    assert str(tmp_path) in str(found)


def test_an_unkeyed_statement_leaves_its_error_and_no_open_cursor(warehouse: Warehouse) -> None:
    for _ in range(3):
        with pytest.raises(ConfigurationError):
            warehouse._connection.execute(sa.text("INSERT INTO nowhere VALUES (1)"))

    assert query(warehouse, "SELECT 1").item() == 1
