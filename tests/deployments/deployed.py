"""`prefect.yaml` on a Prefect server of the tests: a work pool that nobody works for, and `prefect deploy`."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
from prefect.client.schemas.actions import WorkPoolCreate

from prefect_azure_batch import AzureBatchWorker

PROJECT = Path(__file__).parents[2]
WORK_POOL = "of-prefect-yaml"


def work_pool(api: str) -> None:
    template = AzureBatchWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=WORK_POOL, type=AzureBatchWorker.type, base_job_template=template)
    body = pool.model_dump(mode="json", exclude_unset=True)
    httpx.post(f"{api}/work_pools/", json=body, timeout=60).raise_for_status()


def deploy(*words: str, api: str, **environment: str) -> None:
    """By the command, which has no warning to give."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", *words],
        cwd=PROJECT,
        env={**os.environ, "PATH": path, "PREFECT_API_URL": api, "ETL_WORK_POOL": WORK_POOL, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
