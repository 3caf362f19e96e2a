"""A wall against the traps of Prefect's worker contract, and the defects that other workers have: here those that need
no server, in `test_traps_served.py` those that need one. What is shown elsewhere is named here.

Of Prefect's contract
- a falsy template or variable is dropped: `test_falsy_values_stand`
- a variable that an old work pool does not have: `test_every_variable_may_be_missing`; one that is not declared:
  `test_configuration.test_the_template_uses_what_it_declares`; dotted ones:
  `test_dotted_variables_reach_the_environment`
- a TypeError in `prepare_for_flow_run` is masked: `test_all_that_prefect_gives_is_taken`
- an early return voids `--limit` (`test_worker.test_the_limit_holds`) and `--run-once` (served)
- an exception after `started()` leaves the run Running: served
- exit code 0 says nothing: `test_worker.test_a_run_that_ended_well_and_says_nothing_is_not_left_behind`; a failure
  without exit code is no success: `test_a_failure_without_an_exit_code_is_no_success`
- `propose_state` raises a BaseException: served
- final, paused, rescheduled and cancelled runs are marked Crashed: `test_only_a_run_that_is_open_is_settled`
- a run is submitted again under the same id: `test_worker.test_a_retried_run_gets_a_task_of_its_own`
- nothing is adopted after a restart, `kill_infrastructure` is not reached, ad hoc runs have no identifier:
  `test_worker`
- clean-up through the worker channel is done one at a time: `test_clean_up_is_not_done_one_at_a_time`
- a deleted flow run (served), a deleted deployment, or a Prefect that is away, ends the worker: served
- too many submissions at once starve Prefect's client: `test_runs_take_turns`
- cancelled while it waits, requeued after preemption: `test_flow_runs`; requeued and executed again: `batch_image`

Of other workers
- the API key in clear, a KeyError without one, the worker's home in the task: `test_configuration`, and
  `test_a_reference_is_written_though_the_worker_has_no_secret`
- labels and GPUs that are declared and used nowhere: `test_every_variable_has_an_effect`
- configuration that is changed in place, names that are new at each look:
  `test_a_configuration_gives_the_same_task_twice`
- long names: `test_long_names_fit`; `test_identifiers`
- a POST with 429, a full quota as 409, TaskExists, an ambiguous failure, a job being deleted: `test_submission`
- the identifier is not complete, kill with another account:
  `test_worker.test_infrastructure_is_killed_by_its_identifier_alone`
- one call and one thread per run: `test_worker.test_watching_costs_one_list_for_each_poll_whatever_the_number_of_runs`
- the cloud's SDK is imported with the collection: `test_the_import_is_cheap`
- the type is not found by Prefect's command line: served
"""

import asyncio
import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import Flow, FlowRun, State, StateType, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_KEY, temporary_settings

from deployments.azure_batch import AzureBatchWorker
from deployments.azure_batch.configuration import AzureBatchJobConfiguration
from deployments.azure_batch.diagnosis import diagnose
from deployments.azure_batch.runs import standing
from deployments.azure_batch.task import build_task, environment_of
from deployments.azure_batch.turns import Turns

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://example.vault.azure.net/secrets/key)"
PLACE = "azurebatch://example.westeurope.batch.azure.com/job/task"


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


@pytest.mark.parametrize(
    ("state", "place", "expected"),
    [
        (StateType.PENDING, PLACE, "open"),
        (StateType.RUNNING, PLACE, "open"),
        (StateType.RUNNING, None, "open"),
        (StateType.RUNNING, PLACE.replace("task", "next"), "settled"),
        (StateType.CANCELLING, PLACE, "cancelling"),
        (StateType.PAUSED, PLACE, "settled"),
        (StateType.SCHEDULED, PLACE, "settled"),
        (StateType.COMPLETED, PLACE, "settled"),
        (StateType.FAILED, PLACE, "settled"),
        (StateType.CRASHED, PLACE, "settled"),
        (StateType.CANCELLED, PLACE, "settled"),
    ],
)
def test_only_a_run_that_is_open_is_settled(state, place, expected):
    run = FlowRun(flow_id=uuid4(), state=State(type=state), infrastructure_pid=place)
    assert standing(run, PLACE) == expected
    assert standing(None, PLACE) == "settled"


def test_a_failure_without_an_exit_code_is_no_success():
    from azure.batch import models  # noqa: PLC0415

    failure = models.BatchTaskFailureInfo({"category": "UserError", "code": "ContainerInvalidImage", "message": "?"})
    info = models.BatchTaskExecutionInfo({"result": "Failure", "failureInfo": failure, "retryCount": 0})
    found = diagnose(models.BatchTask({"id": "x", "state": "completed", "executionInfo": info}))
    assert found.exit_code is None
    assert found.status_code == 255


def test_clean_up_is_not_done_one_at_a_time():
    assert (AzureBatchWorker.cleanup_max_concurrency or 0) > 1
    assert "kill_infrastructure" in vars(AzureBatchWorker)


def test_runs_take_turns():
    most, inside = 0, 0

    async def prepare(turns: Turns, run: UUID) -> None:
        nonlocal most, inside
        await turns.take(run)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        turns.give_back(run)
        turns.give_back(run)  # as when the service has the task, and again at the end

    async def work() -> None:
        turns = Turns(3)
        turns.give_back(uuid4())
        await asyncio.gather(*(prepare(turns, uuid4()) for _ in range(20)))

    asyncio.run(work())
    assert (most, inside) == (3, 0)


def test_a_reference_is_written_though_the_worker_has_no_secret():
    configuration = AzureBatchJobConfiguration(secrets={"PREFECT_API_KEY": REFERENCE})
    with temporary_settings(restore_defaults={PREFECT_API_KEY}):
        assert environment_of(configuration)["PREFECT_API_KEY"] == REFERENCE


# What the task shows of each variable; the others are no affair of the task, and shown where they are used.
IN_THE_TASK = {
    "image": "example.azurecr.io/etl:2",
    "registry": {"server": "example.azurecr.io", "identity": "/subscriptions/x"},
    "command": "other",
    "launcher": "tini --",
    "env": {"A": "1"},
    "secrets": {"TOKEN": REFERENCE},
    "required_slots": 2,
    "cpu": 1.5,
    "memory": "4g",
    "shm_size": "1g",
    "gpus": "all",
    "mounts": ["/mnt:/data"],
    "container_options": "--init",
    "working_directory": "taskWorkingDirectory",
    "user": "pool-admin",
    "wall_clock_limit": 60,
    "retention": 60,
    "batch_retries": 2,
    "on_requeue": "crash",
    "uploads": [{"container_url": "https://example.blob.core.windows.net/logs"}],
    "name": "other",
    "labels": {"team": "prices"},
}
ELSEWHERE = {
    "credentials": "test_flow_runs",
    "pool_id": "test_pools",
    "new_pool": "test_pools",
    "temporary_pool": "test_pools",
    "allow_plaintext_secrets": "test_configuration",
    "stream_output": "test_flow_runs",
    "cancel_grace": "test_flow_runs",
    "priority": "test_traps_served",
}


@pytest.mark.parametrize(("name", "value"), IN_THE_TASK.items())
def test_every_variable_has_an_effect(name, value):
    run = uuid4()
    usual = build_task("task", run, AzureBatchJobConfiguration(image="x")).as_dict()
    assert build_task("task", run, AzureBatchJobConfiguration(**({"image": "x"} | {name: value}))).as_dict() != usual


def test_no_variable_is_forgotten():
    assert IN_THE_TASK.keys() | ELSEWHERE.keys() == AzureBatchJobConfiguration.__annotations__.keys()


def test_a_configuration_gives_the_same_task_twice():
    configuration = AzureBatchJobConfiguration(**IN_THE_TASK)
    before, run = configuration.model_dump(), uuid4()
    first = build_task("task", run, configuration).as_dict()
    assert build_task("task", run, configuration).as_dict() == first
    assert configuration.model_dump() == before


def test_long_names_fit():
    task = build_task("task", uuid4(), AzureBatchJobConfiguration(name="long " * 1000))
    assert task.display_name
    assert len(task.display_name) == 1024  # the most that the service takes


def test_the_import_is_cheap():
    """As whenever Prefect's command line starts."""
    show = "import sys, deployments.azure_batch; print(*(name for name in sys.modules if name.startswith('azure.')))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    heavy = {"azure.batch", "azure.core", "azure.identity", "azure.storage.blob", "azure.keyvault"}
    assert not heavy & set(done.stdout.split())
