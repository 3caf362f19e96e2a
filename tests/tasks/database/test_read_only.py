"""A query only reads: some fifty tries to change something, on each engine, after which all is as it was."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from tasks.database import Stream, open_stream
from tasks.database.dialects.sqlserver.dialect import SqlServer
from tasks.database.dialects.statements import text
from tasks.errors import ConfigurationError, EtlError
from tasks.load.warehouse import open_warehouse
from tests.tasks.warehouses.examples import QUOTES, part, quotes

ANYWHERE = [
    "DELETE FROM quotes",
    "DELETE FROM quotes; COMMIT; SELECT 1 AS a",
    "COMMIT; DELETE FROM quotes",
    "SELECT 1 AS a; DELETE FROM quotes",
    "SELECT 1 AS a; COMMIT; DELETE FROM quotes; BEGIN",
    "/* ; */ DELETE FROM quotes",
    "-- SELECT\nDELETE FROM quotes",
    "SELECT ';' AS a; DELETE FROM quotes",
    'SELECT 1 AS ";"; DELETE FROM quotes',
    "SELECT '''; ' AS a; DELETE FROM quotes",
    "(DELETE FROM quotes)",
    "WITH a AS (SELECT 1 AS b) DELETE FROM quotes",
    "WITH a AS (SELECT 'Z' AS code) INSERT INTO quotes SELECT code, '2024-01-01', 1, 1 FROM a",
    "INSERT INTO quotes (code, day, close) VALUES ('Z', '2024-01-01', 1)",
    "UPDATE quotes SET close = 9",
    "UPDATE quotes SET close = 9 WHERE 1 = (SELECT 1)",
    "DROP TABLE quotes",
    "ALTER TABLE quotes ADD COLUMN more INTEGER",
    "ALTER TABLE quotes RENAME TO other",
    "CREATE TABLE other (a INTEGER)",
    "CREATE TEMPORARY TABLE other (a INTEGER)",
    "CREATE VIEW other AS SELECT 1 AS a",
    "CREATE INDEX other ON quotes (close)",
    "COMMIT",
    "ROLLBACK",
    "BEGIN",
]
POSTGRESQL = [
    "DELETE FROM quotes RETURNING code",
    "WITH gone AS (DELETE FROM quotes RETURNING code) SELECT * FROM gone",
    "WITH new AS (INSERT INTO quotes VALUES ('Z', '2024-01-01', 1, 1) RETURNING code) SELECT * FROM new",
    "SELECT $a$;$a$ AS a; DELETE FROM quotes",
    r"SELECT E'\'; ' AS a; DELETE FROM quotes",
    "SELECT U&'!' UESCAPE '\\'; DELETE FROM quotes",
    "SELECT code INTO other FROM quotes",
    "CREATE TABLE other AS SELECT * FROM quotes",
    "TRUNCATE quotes",
    "MERGE INTO quotes USING (SELECT 1) AS a ON true WHEN MATCHED THEN DELETE",
    "EXPLAIN ANALYZE DELETE FROM quotes",
    "DO $$ BEGIN DELETE FROM quotes; END $$",
    "DO $$ BEGIN COMMIT; DELETE FROM quotes; END $$",
    "PREPARE gone AS DELETE FROM quotes",
    "COPY quotes FROM PROGRAM 'echo Z'",
    "COPY (DELETE FROM quotes RETURNING code) TO STDOUT",
    "SELECT nextval('numbers') AS a",
    "SELECT setval('numbers', 9) AS a",
    "SELECT remove_all() AS a",
    "SELECT set_config('transaction_read_only', 'off', false) AS a",
    "SELECT set_config('default_transaction_read_only', 'off', false) AS a",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "END",
    "GRANT DELETE ON quotes TO PUBLIC",
    "COMMENT ON TABLE quotes IS 'mine'",
    "VACUUM FULL quotes",
    "REINDEX TABLE quotes",
    "ALTER SYSTEM SET work_mem = '5MB'",
    "CREATE ROLE other",
    "CREATE EXTENSION pg_trgm",
    "SELECT lo_from_bytea(0, 'a') AS a",
]
SQLITE = [
    "REPLACE INTO quotes (code, day, close) VALUES ('B', '2024-01-02', 9)",
    "INSERT OR REPLACE INTO quotes (code, day, close) VALUES ('B', '2024-01-02', 9)",
    "DELETE FROM quotes RETURNING code",
    "UPDATE quotes SET close = 9 RETURNING code",
    "CREATE TABLE other AS SELECT * FROM quotes",
    "CREATE VIRTUAL TABLE other USING fts5(a)",
    "CREATE TRIGGER other AFTER INSERT ON quotes BEGIN DELETE FROM quotes; END",
    "ALTER TABLE quotes DROP COLUMN close",
    "PRAGMA query_only = OFF",
    "PRAGMA query_only = 0; DELETE FROM quotes",
    "PRAGMA user_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_mode = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA auto_vacuum = FULL",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "VACUUM",
    "VACUUM INTO '{folder}/other.sqlite'",
    "ATTACH '{folder}/other.sqlite' AS other",
    "DETACH main",
    "REINDEX",
    "ANALYZE",
    "SAVEPOINT a",
    "RELEASE a",
    "SELECT load_extension('other') AS a",
    "SELECT writefile('{folder}/other.txt', 'a') AS a",
]
SQL_SERVER = [
    *ANYWHERE,
    "SELECT 1 AS a DELETE FROM quotes COMMIT",
    "SELECT 1 AS a COMMIT DELETE FROM quotes",
    "SELECT 1 a UPDATE quotes SET close = 9",
    "SELECT close FROM quotes TRUNCATE TABLE quotes",
    "SELECT close FROM quotes DROP TABLE quotes",
    "SELECT close FROM quotes WHERE close > 1 EXEC remove_all",
    "SELECT [;] FROM quotes DELETE FROM quotes",
    "SELECT code INTO other FROM quotes",
    "SELECT code INTO #other FROM quotes",
    "DELETE FROM quotes OUTPUT deleted.code",
    "INSERT INTO quotes OUTPUT inserted.code SELECT * FROM quotes",
    "MERGE INTO quotes USING other ON 1 = 1 WHEN MATCHED THEN DELETE;",
    "EXEC remove_all",
    "EXECUTE ('DELETE FROM quotes')",
    "sp_executesql N'DELETE FROM quotes'",
    "DECLARE @a int = 1 DELETE FROM quotes",
    "SET NOCOUNT ON SELECT 1 AS a",
    "SET IMPLICIT_TRANSACTIONS ON",
    "IF 1 = 1 DELETE FROM quotes",
    "WHILE 1 = 1 DELETE FROM quotes",
    "BEGIN DELETE FROM quotes END",
    "BEGIN TRY DELETE FROM quotes END TRY BEGIN CATCH END CATCH",
    "SELECT NEXT VALUE FOR numbers AS a",
    "SELECT * FROM OPENQUERY(other, 'DELETE FROM quotes')",
    "SELECT * FROM OPENROWSET('SQLNCLI', 'x', 'DELETE FROM quotes') AS a",
    "BULK INSERT quotes FROM 'file.csv'",
    "CREATE OR ALTER PROCEDURE other AS DELETE FROM quotes",
    "GRANT DELETE ON quotes TO public",
    "BACKUP DATABASE prices TO DISK = 'file.bak'",
    "DBCC CHECKIDENT ('quotes', RESEED, 0)",
    "WAITFOR DELAY '00:00:01' DELETE FROM quotes",
    "USE master",
    "KILL 55",
]
READS = [
    "SELECT TOP (5) WITH TIES [code], close FROM quotes WITH (NOLOCK) WHERE day >= :first ORDER BY close",
    "WITH a AS (SELECT code, SUM(close) OVER (PARTITION BY code ORDER BY day) AS b FROM quotes) SELECT * FROM a",
    "SELECT code FROM quotes WHERE code IN :codes UNION ALL SELECT 'DELETE; --'",
    "SELECT * FROM (SELECT code, close FROM quotes) AS a PIVOT (SUM(close) FOR code IN ([A], [B])) AS b",
    "SELECT CONVERT(varchar(10), day, 120) AS a, TRY_CAST(code AS int) AS b, IIF(close > 1, 1, 0) AS c FROM quotes",
    "SELECT a.code, b.x FROM quotes AS a CROSS APPLY OPENJSON(a.code) WITH (x int '$.x') AS b OPTION (MAXDOP 1);",
]


@pytest.fixture
def stream(warehouse_url: str) -> Iterator[Stream]:
    with open_warehouse(warehouse_url) as warehouse:
        warehouse.load(QUOTES, [part("s1", quotes(("A", 1, 1.0, 1), ("B", 2, 2.0, None)))], run="r")
    if "postgresql" in warehouse_url:
        with psycopg.connect(warehouse_url.replace("odbc+", ""), autocommit=True) as connection:
            connection.execute("CREATE SEQUENCE numbers")
            connection.execute(
                "CREATE FUNCTION remove_all() RETURNS int LANGUAGE sql AS 'DELETE FROM quotes; SELECT 1'"
            )
    with open_stream(SecretStr(warehouse_url)) as opened:
        yield opened


def test_nothing_is_changed_whatever_is_asked(stream: Stream, warehouse_url: str, tmp_path: Path) -> None:
    tries = [*ANYWHERE, *(POSTGRESQL if "postgresql" in warehouse_url else SQLITE)]
    assert len(tries) >= 50
    before = state(warehouse_url, tmp_path)
    for sql in tries:
        with suppress(EtlError):  # a pragma that is a question is answered
            list(stream(sql.format(folder=tmp_path) if "{folder}" in sql else sql, {}))
        assert state(warehouse_url, tmp_path) == before, sql
        with suppress(EtlError):
            list(stream("DELETE FROM quotes", {}))
        assert state(warehouse_url, tmp_path) == before, f"DELETE after {sql}"
    assert [frame.height for frame in stream("SELECT code FROM quotes", {})] == [2]


def state(url: str, folder: Path) -> object:
    """All that is stored: the bytes of all files, or what a server has of it."""
    if "postgresql" not in url:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    asked = (
        "SELECT * FROM quotes ORDER BY 1, 2",
        "SELECT relname, relacl::text, obj_description(oid), relfilenode FROM pg_class WHERE oid > 16383 ORDER BY 1, 4",
        "SELECT last_value, is_called FROM numbers",
        "SELECT extname FROM pg_extension",
        "SELECT rolname FROM pg_roles WHERE rolname = 'other'",
        "SELECT count(*) FROM pg_largeobject_metadata",
        "SELECT count(*) FROM pg_file_settings WHERE name = 'work_mem'",
    )
    with psycopg.connect(url.replace("odbc+", "")) as connection:
        return [connection.execute(query).fetchall() for query in asked]


@pytest.mark.parametrize("sql", SQL_SERVER)
def test_sql_server_is_not_even_asked(sql: str) -> None:
    assert len(SQL_SERVER) >= 50
    with pytest.raises(ConfigurationError, match="single SELECT"):
        text(sql, {}, SqlServer("SQL Server", 30.0))


@pytest.mark.parametrize("sql", READS)
def test_what_only_reads_is_sent_to_sql_server(sql: str) -> None:
    given = {name: ["A"] for name in ("first", "codes") if f":{name}" in sql}
    assert "SELECT" in str(text(sql, given, SqlServer("SQL Server", 30.0)))
