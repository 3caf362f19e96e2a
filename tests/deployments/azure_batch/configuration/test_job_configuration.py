"""The variables of the work pool: refused by name when they are wrong, and all that Prefect gives is taken."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from pydantic import ValidationError

from prefect_azure_batch import AzureBatchWorker
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://example.vault.azure.net/secrets/prefect-key)"


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"pool_id": "no such id!"}, "pool_id"),
        ({"required_slots": 0}, "required_slots"),
        ({"image": "x", "memory": "much"}, "memory"),
        ({"wall_clock_limit": -1}, "wall_clock_limit"),
        ({"wall_clock_limit": 1e300}, "wall_clock_limit"),
        ({"retention": 1e18}, "retention"),
        ({"env": {"A=B": "x"}}, "A=B"),
        ({"env": {"": "x"}}, "env"),
        ({"on_requeue": "perhaps"}, "on_requeue"),
        ({"batch_retries": -2}, "batch_retries"),
        ({"priority": 1001}, "priority"),
        ({"secrets": {"TOKEN": "plain"}}, "TOKEN"),
        ({"secrets": {"A-B": REFERENCE}}, "A-B"),
        ({"secrets": {"TOKEN": REFERENCE}, "env": {"TOKEN": "x"}}, "TOKEN"),
        ({"temporary_pool": True}, "new_pool"),
        ({"cpu": 2}, "image"),
        ({"image": "x", "registry": {"server": "s"}}, "registry"),
        ({"new_pool": {"vm_size": "x", "slots": 999}}, "slots"),
        ({"image": "x", "user": "task-admin"}, "user"),
    ],
)
def test_bad_values_are_refused_by_name(variables, name):
    with pytest.raises(ValidationError, match=name):
        AzureBatchJobConfiguration(**variables)


def from_template(values: dict[str, Any], **defaults: Any) -> AzureBatchJobConfiguration:
    """As a worker makes it of a work pool with these defaults and a run with these job variables."""
    template = AzureBatchWorker.get_default_base_job_template()
    for name, value in defaults.items():
        template["variables"]["properties"][name]["default"] = value
    nobody = PrefectClient("http://127.0.0.1:1/api")  # there is nothing to ask it
    return asyncio.run(AzureBatchJobConfiguration.from_template_and_values(template, values, client=nobody))


def test_falsy_values_stand():
    given = from_template(
        {"cancel_grace": 0, "batch_retries": 0, "stream_output": False, "priority": 0},
        batch_retries=3,
        stream_output=True,
        priority=7,
    )
    assert (given.cancel_grace, given.batch_retries, given.stream_output, given.priority) == (0, 0, False, 0)


def test_every_variable_may_be_missing():
    own = AzureBatchJobConfiguration.__annotations__
    assert [name for name in own if AzureBatchJobConfiguration.model_fields[name].is_required()] == []


def test_dotted_variables_reach_the_environment():
    assert from_template({"env.A": "1"}, env={"B": "2"}).env == {"A": "1", "B": "2"}


def test_all_that_prefect_gives_is_taken():
    configuration = AzureBatchJobConfiguration(labels={"team": "prices"})
    flow = Flow(id=uuid4(), name="prices", labels={})
    configuration.prepare_for_flow_run(
        flow_run=FlowRun(id=uuid4(), flow_id=flow.id, name="quiet-otter"),
        deployment=DeploymentResponse(id=uuid4(), name="daily", flow_id=flow.id, labels={}),
        flow=flow,
        work_pool=WorkPool(name="nodes", type="azure-batch", default_queue_id=uuid4()),
        worker_name="first",
        worker_id=uuid4(),
    )
    told = ("team", "prefect.io/worker-name", "prefect.io/work-pool-name", "prefect.io/deployment-name")
    assert [configuration.labels[label] for label in told] == ["prices", "first", "nodes", "daily"]
    assert configuration.env["PREFECT__WORKER_NAME"] == "first"
