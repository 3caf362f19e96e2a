"""A run of `.submit()` while it is prepared: no error of the moment crashes it; what can never be ends it at once."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import WorkPoolStorageConfiguration
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tests.deployments.azure_batch.ad_hoc_runs.nothing import nothing
from tests.deployments.azure_batch.stage import FOREVER, Stage, asking, is_final, new_worker, tasks_of, until
from tests.servers.fault_proxy import Fault, Request, Rule, fault_proxy, refusal
from tests.servers.patient import patient_client

pytestmark = pytest.mark.filterwarnings("ignore:Ad-hoc flow submission via workers is experimental")
LOCKED = refusal(500, "InternalServerError", "database is locked")


def submitted(stage: Stage, variables: dict[str, Any], upload: str = "true", rule: Rule = lambda _: None) -> UUID:
    """By way of a Prefect that answers so. The upload is this command; the nodes are simulated, and need nothing."""
    storage = WorkPoolStorageConfiguration(
        bundle_upload_step=step(upload), bundle_execution_step=step("python"), default_result_storage_block_id=None
    )
    with stage.client() as client:
        client.update_work_pool(stage.work_pool, WorkPoolUpdate(storage_configuration=storage))

    async def work() -> Any:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), fault_proxy(stage.api, rule) as proxy:
            async with new_worker(stage) as worker, patient_client(proxy.url) as client:
                with asking(worker, client):
                    future = await worker.submit(nothing, job_variables=variables)
                    run = future.flow_run_id
                    await until(lambda: stage.read(run).infrastructure_pid or is_final(stage, run)())
                    return run

    return UUID(str(asyncio.run(work())))


def step(command: str) -> dict[str, Any]:
    return {"prefect_azure.bundles.any": {"container": "any", "launcher": [command]}}


def test_an_error_of_prefect_is_no_crash_and_loses_nothing(stage: Stage) -> None:
    """Each of what is asked once the run is there is refused once, in a way of its own."""
    faults: dict[tuple[str, str], list[Any]] = {
        ("GET", "/api/block_documents/"): [LOCKED, Fault.RESET],
        ("GET", "/api/flow_run_states/"): [LOCKED],
        ("PATCH", "/api/flow_runs/"): [Fault.RESET, LOCKED],
    }

    def rule(request: Request) -> Any:
        asked = (way for way in faults if request.method == way[0] and request.target.startswith(way[1]))
        left = faults.get(next(asked, ("", "")))
        return left.pop(0) if left else None

    run = submitted(stage, {"env": FOREVER}, rule=rule)
    assert not any(faults.values())
    assert stage.read(run).infrastructure_pid
    assert len(tasks_of(stage, run)) == 1


@pytest.mark.parametrize(
    ("upload", "variables", "words"),
    [("false", {}, "exit status 1"), ("true", {"memory": "4g"}, "which needs image")],
)
def test_what_can_never_be_submitted_is_crashed_with_the_reason(
    stage: Stage, upload: str, variables: dict[str, Any], words: str
) -> None:
    run = submitted(stage, variables, upload)
    assert stage.states(run)[-1].startswith("Crashed")
    assert words in stage.states(run)[-1]
    assert not tasks_of(stage, run)
