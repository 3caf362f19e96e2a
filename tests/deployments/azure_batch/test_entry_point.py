"""The work pool as Prefect finds it, installed: through its entry point, and quickly."""

import os
import subprocess
import sys
from uuid import uuid4

from prefect.client.orchestration import get_client


def test_the_import_is_cheap():
    """As whenever Prefect's command line starts."""
    show = "import sys, prefect_azure_batch; print(*(name for name in sys.modules if name.startswith('azure.')))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    heavy = {"azure.batch", "azure.core", "azure.identity", "azure.storage.blob", "azure.keyvault"}
    assert not heavy & set(done.stdout.split())


def test_prefect_s_command_line_knows_the_type(prefect_api):
    """As it is installed: through the entry point."""

    def prefect(*words: str) -> str:
        environment = os.environ | {"PREFECT_API_URL": prefect_api}
        command = [sys.executable, "-m", "prefect", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    name = f"cli-{uuid4().hex[:8]}"
    made = prefect("work-pool", "create", name, "--type", "azure-batch")
    template = prefect("work-pool", "get-default-base-job-template", "--type", "azure-batch")
    assert "Failed to load collection" not in made
    assert '"pool_id": "{{ pool_id }}"' in template
    with get_client(sync_client=True) as client:
        pool = client.read_work_pool(name)
    assert pool.type == "azure-batch"
    assert pool.base_job_template["variables"]["properties"]["credentials"]["title"] == "Credentials"
