"""Pools that are made for a job and go with it."""

from azure_batch_emulator.control.quotas import Quotas
from tests.deployments.batch_emulator.emulated import MACHINE, Emulated, on_emulator


@on_emulator
async def test_an_auto_pool_lives_as_long_as_its_job(batch: Emulated) -> None:
    batch.do("create_job", {"id": "j", "poolInfo": {"autoPoolSpecification": _auto_pool()}})
    batch.task()
    pool_id = batch.shown_job()["executionInfo"]["poolId"]
    prefix, _, unique = pool_id.partition("_")
    assert prefix == "nightly"
    assert unique == unique.upper()
    assert len(unique) == 36
    await batch.advance(120)
    assert batch.states() == {"t": "completed"}
    batch.do("_terminate_job_internal", {}, jobId="j")
    await batch.advance(20)
    assert batch.shown_pool(pool_id)["state"] == "deleting"
    await batch.advance(20)
    assert batch.refused("get_pool", poolId=pool_id) == "PoolNotFound"


@on_emulator
async def test_an_auto_pool_may_be_kept(batch: Emulated) -> None:
    specification = {**_auto_pool(), "keepAlive": True}
    batch.do("create_job", {"id": "j", "poolInfo": {"autoPoolSpecification": specification}})
    pool_id = batch.shown_job()["executionInfo"]["poolId"]
    batch.do("_delete_job_internal", jobId="j")
    await batch.advance(60)
    assert batch.shown_pool(pool_id)["state"] == "active"


@on_emulator(quotas=Quotas(pools=0))
async def test_a_job_whose_auto_pool_cannot_be_made_says_why(batch: Emulated) -> None:
    batch.do("create_job", {"id": "j", "poolInfo": {"autoPoolSpecification": _auto_pool()}})
    batch.task()
    await batch.advance(600)
    execution = batch.shown_job()["executionInfo"]
    assert execution["schedulingError"]["code"] == "AutoPoolCreationFailedWithQuotaReached"
    assert "poolId" not in execution
    assert batch.states() == {"t": "active"}


def _auto_pool() -> dict[str, object]:
    pool = {"vmSize": "standard_d2s_v3", "virtualMachineConfiguration": MACHINE, "targetDedicatedNodes": 1}
    return {"autoPoolIdPrefix": "nightly", "poolLifetimeOption": "job", "pool": pool}
