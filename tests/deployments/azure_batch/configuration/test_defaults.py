"""`prefect-azure-batch set`: what a person types is in the work pool's template, or nothing is."""

import json
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_azure_batch import AzureBatchCredentials, AzureBatchWorker
from prefect_azure_batch.__main__ import main
from prefect_azure_batch.configuration.defaults import current
from prefect_azure_batch.configuration.job_configuration import defaults_of

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://example.vault.azure.net/secrets/prefect-key)"


@pytest.fixture
def pool(prefect_api) -> str:
    return f"defaults-{uuid4().hex[:8]}"


def template(pool: str) -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        return client.read_work_pool(pool).base_job_template


def test_a_pool_is_made_and_changed(pool, tmp_path, capsys):
    AzureBatchCredentials(endpoint="https://example.westeurope.batch.azure.com").save(f"block-{pool}")
    outputs = {"jobVariables": {"type": "object", "value": {"pool_id": "", "env": {"A": "1"}, "image": "x.io/etl:1"}}}
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))
    first = ["set", "--pool", pool, "--create", "--json", str(tmp_path / "outputs.json"), "pool_id=nodes"]
    assert main([*first, f"credentials=block-{pool}", f"secrets.PREFECT_API_KEY={REFERENCE}", "required_slots=2"]) == 0
    assert "required_slots" in capsys.readouterr().out

    found = defaults_of(template(pool))
    assert (found["pool_id"], found["image"], found["required_slots"]) == ("nodes", "x.io/etl:1", 2)
    assert found["secrets"] == {"PREFECT_API_KEY": REFERENCE}
    assert found["credentials"]["$ref"]["block_document_id"]

    assert main(["set", "--pool", pool, "env.B=2", "image=", "required_slots="]) == 0
    found = defaults_of(template(pool))
    assert found["env"] == {"A": "1", "B": "2"}
    assert "image" not in found
    assert found["required_slots"] == 1  # the type's own
    assert found["pool_id"] == "nodes"


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("required_slots=0", "required_slots: "),
        ("required_slots=many", "required_slots: "),
        ("pool_id=no such id", "pool_id: "),
        ("secrets.TOKEN=plain", "TOKEN: not a reference"),
        ("new_pool.vm_sise=x", "new_pool.vm_sise: "),
        ("memory=4g", "which needs image"),
        ("credentials=no-such-block", "there is no block 'no-such-block'"),
        ("registry.password=plain", "hold a secret in clear (registry.password)"),
        ("imgae=x", "did you mean image"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_nothing_is_written(pool, assignment, words, capsys):
    assert main(["set", "--pool", pool, "--create", "image=", "pool_id=nodes"]) == 0
    before = template(pool)
    assert main(["set", "--pool", pool, "env.A=1", assignment]) == 1
    assert words in capsys.readouterr().err
    assert template(pool) == before


def test_a_pool_that_is_not_there_or_of_another_type_is_refused(pool, capsys):
    assert main(["set", "--pool", pool, "image=x"]) == 1
    assert "--create" in capsys.readouterr().err
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    assert main(["set", "--pool", pool, "image=x"]) == 1
    assert "of the type process" in capsys.readouterr().err


def test_an_old_template_is_brought_up_to_date_and_keeps_what_was_set(pool):
    old = AzureBatchWorker.get_default_base_job_template()
    properties = old["variables"]["properties"]
    del properties["on_requeue"], old["job_configuration"]["on_requeue"]
    properties["gone"] = {"type": "string", "title": "Of a former version"}
    old["job_configuration"]["gone"] = "{{ gone }}"
    properties["image"]["default"] = "x.io/etl:1"
    properties["image"]["title"] = "Its former title"
    properties["team"] = {"type": "string", "title": "Of the user"}
    old["job_configuration"]["labels"] = {"team": "{{ team }}"}
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type="azure-batch", base_job_template=old))
    assert main(["set", "--pool", pool]) == 0

    new = template(pool)
    assert new["variables"]["properties"]["on_requeue"]["default"] == "rerun"
    assert new["job_configuration"]["on_requeue"] == "{{ on_requeue }}"
    assert new["variables"]["properties"]["image"]["title"] == "Image"
    assert defaults_of(new)["image"] == "x.io/etl:1"
    assert new["job_configuration"]["labels"] == {"team": "{{ team }}"}
    assert new["variables"]["properties"]["team"]["title"] == "Of the user"
    assert "gone" not in new["job_configuration"]
    assert current(new) == new


def test_a_prefect_that_does_not_answer_is_said_in_a_line(capsys):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        assert main(["set", "--pool", "any", "image=x"]) == 1
    assert "PREFECT_API_URL" in capsys.readouterr().err
