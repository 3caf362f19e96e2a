"""A Prefect server on PostgreSQL for tests of hundreds of runs: SQLite takes one writer at a time.

What has nothing to do with runs and their states is switched off, so that the server's one core is theirs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.postgres import Postgres
from tests.servers.prefect_server import prefect_server, used_here

_OFF = (
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED",
)


@contextmanager
def prefect_on_postgres(postgres: Postgres, home: Path) -> Iterator[str]:
    """Yields the URL of its API, which flows in this process use too."""
    url = postgres.url(postgres.database()).replace("postgresql://", "postgresql+asyncpg://")
    home.mkdir(parents=True, exist_ok=True)
    settings = [f'PREFECT_API_DATABASE_CONNECTION_URL = "{url}"', *(f'{name} = "false"' for name in _OFF)]
    lines = ['active = "test"', "[profiles.test]", *settings]
    home.joinpath("profiles.toml").write_text("\n".join(lines) + "\n")
    with prefect_server(home) as api, used_here(api):
        yield api
