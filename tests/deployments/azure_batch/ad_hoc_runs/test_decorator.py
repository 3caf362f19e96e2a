"""Ad hoc runs: a decorated flow of a script or a notebook runs on a node, and its result comes back."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import nbformat
import pytest
from nbclient import NotebookClient
from prefect import flow
from prefect.client.orchestration import get_client
from prefect_azure import AzureBlobStorageCredentials

from azure_batch_emulator.running_emulator import running_emulator
from prefect_azure_batch import azure_batch
from prefect_azure_batch.__main__ import main
from tests.deployments.azure_batch.stage import create_pool, make_stage
from tests.servers.azurite import azurite  # noqa: F401 - a fixture
from tests.servers.azurite import client as blobs

SCRIPT = Path(__file__).parent / "ad_hoc.py"


@pytest.fixture(scope="module")
def path():
    """Nodes find this Python as `python`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def stage(prefect_api, path):
    with running_emulator(speed=20, executor="processes") as emulator:
        create_pool(emulator)
        create_pool(emulator, "empty", nodes=0)
        # As the type has it: launched by the launcher, which finds the node's `python`.
        yield make_stage(prefect_api, emulator, launcher=None, command=None, stream_output=True)


@pytest.fixture(scope="module")
def account(stage, azurite):  # noqa: F811
    made = azurite.account()
    name = f"bundles-{uuid4().hex[:8]}"
    endpoints = f"AccountName={made.name};AccountKey={made.key};BlobEndpoint={made.url};"
    AzureBlobStorageCredentials(connection_string=f"DefaultEndpointsProtocol=http;{endpoints}").save(name)
    assert main(["storage", "--pool", stage.work_pool, "--container", "bundles", "--credentials-block", name]) == 0
    return made


@pytest.fixture
def environment(stage, account, tmp_path) -> dict[str, str]:
    """One that knows where Prefect is, and nothing else."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ETL_"))}
    return clean | {"PREFECT_API_URL": stage.api, "PREFECT_HOME": str(tmp_path / "home")}


def test_a_script_calls_submits_and_hands_over(stage, account, environment, tmp_path):
    folder = tmp_path / "script"
    folder.mkdir()
    script = folder / "ad_hoc.py"
    script.write_text(SCRIPT.read_text())
    (folder / "beside.py").write_text("def plus(x, y):\n    return x + y\n")
    (folder / "words.txt").write_text("it travelled\n")
    with stage.worker():
        done = subprocess.run(
            [sys.executable, str(script), stage.work_pool, str(tmp_path / "go")],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["called"]["sum"] == 3
        assert told["called"]["word"] == "node"
        assert told["called"]["file"] == "it travelled"
        assert told["called"]["task"].endswith("-1")
        assert (told["submitted"], told["handed"]) == ("went on", "went on")

        waiting = UUID(told["waiting"])
        assert stage.read(waiting).infrastructure_pid.startswith("azurebatch://")
        stage.cancel(waiting)
        assert stage.ended(waiting).state.name == "Cancelled"
    with blobs(account) as service:
        names = [blob.name for blob in service.get_container_client("bundles").list_blobs()]
    assert any(name.startswith("results/") for name in names)
    assert len([name for name in names if not name.startswith("results/")]) >= 4


def test_a_notebook_calls_with_no_worker_at_all(stage, environment, tmp_path, monkeypatch):
    for name in set(os.environ) - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cells = [
        "from prefect import flow\nfrom prefect_azure_batch import azure_batch",
        "unit = 'rows'\ndef count(n):\n    return f'{n} {unit}'",
        f"@azure_batch(work_pool='{stage.work_pool}')\n@flow\ndef counts(n: int) -> str:\n    return count(n)",
        "counts(7)",
        "future = counts.submit(8)\nfuture.result(timeout=120)",
    ]
    new = nbformat.v4
    notebook = new.new_notebook(cells=[new.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    kernel = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    kernel.execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs if output.output_type == "execute_result"]
    assert [output["data"]["text/plain"] for output in outputs] == ["'7 rows'", "'8 rows'"]


def test_the_storage_names_modules_that_are_there_and_holds_no_secret(stage, account):
    with get_client(sync_client=True) as client:
        storage = client.read_work_pool(stage.work_pool).storage_configuration
        result = client.read_block_document(UUID(str(storage.default_result_storage_block_id)))
    assert result.name == f"default-{stage.work_pool}-result-storage"
    step = storage.bundle_execution_step or {}
    assert list(step) == ["prefect_azure.bundles.execute"]
    assert step["prefect_azure.bundles.execute"]["launcher"] == ["python"]
    assert account.key not in storage.model_dump_json()


def test_storage_by_uv_names_the_extra_that_it_needs(stage, account):
    with get_client(sync_client=True) as client:
        before = client.read_work_pool(stage.work_pool).storage_configuration
        (arguments,) = (before.bundle_upload_step or {}).values()
        block = arguments["azure_blob_storage_credentials_block_name"]
        command = ["storage", "--pool", stage.work_pool, "--container", "bundles", "--credentials-block", block]
        assert main([*command, "--uv"]) == 0
        step = client.read_work_pool(stage.work_pool).storage_configuration.bundle_upload_step
        assert main(command) == 0
    assert step
    assert step["prefect_azure.bundles.upload"]["requires"] == "prefect-azure[blob_storage]"


@pytest.mark.parametrize(
    ("container", "block", "words"),
    [("Not_A_Name", "x", "lower-case"), ("bundles", "no-such-block", "there is no block 'no-such-block'")],
)
def test_storage_that_cannot_be_is_refused(stage, container, block, words, capsys):
    command = ["storage", "--pool", stage.work_pool, "--container", container, "--credentials-block", block]
    assert main(command) == 1
    assert words in capsys.readouterr().err


def test_storage_with_a_wrong_key_is_refused_in_the_account_s_words(stage, azurite, capsys):  # noqa: F811
    made, other = azurite.account(), azurite.account()
    name = f"wrong-{uuid4().hex[:8]}"
    endpoints = f"AccountName={made.name};AccountKey={other.key};BlobEndpoint={made.url};"
    AzureBlobStorageCredentials(connection_string=f"DefaultEndpointsProtocol=http;{endpoints}").save(name)
    assert main(["storage", "--pool", stage.work_pool, "--container", "other", "--credentials-block", name]) == 1
    told = capsys.readouterr().err
    assert "could not be created" in told
    assert other.key not in told


def test_the_decorator_refuses_what_makes_no_sense():
    with pytest.raises(TypeError, match=r"\['\*\.sql'\]"):
        azure_batch("pool", include_files="*.sql")
    with pytest.raises(ValueError, match="include_files"):
        azure_batch("pool", include_files=[" "])


def test_the_decorated_flow_is_bound_to_the_work_pool():
    bound = azure_batch("pool", image="x:1")(flow(name="bound")(lambda: 1))
    assert bound.work_pool == "pool"
    assert bound.job_variables == {"image": "x:1"}
    assert bound.launcher == {"upload": [sys.executable], "execution": ["python"]}
