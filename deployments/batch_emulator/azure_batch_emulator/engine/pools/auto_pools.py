"""Pools that the service makes for a job or a schedule, and takes away with it."""

import uuid

from azure_batch_emulator.engine.model import Job, Pool
from azure_batch_emulator.engine.persistence import pool_changed
from azure_batch_emulator.engine.pools import lifecycle as pools
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.protocol.call import JsonObject


def attach(state: State, job: Job) -> None:
    """Tells the job its pool: the one named, which need not exist, or one that is made for it."""
    info = job.resource["poolInfo"]
    if "autoPoolSpecification" in info:
        _attach_own(state, job, info["autoPoolSpecification"])
    else:
        job.resource["executionInfo"]["poolId"] = info["poolId"]


def release(state: State, owner: str) -> None:
    """Takes away the pools that live as long as this job or schedule."""
    for pool in list(state.pools.values()):
        if _lives_for(pool, owner):
            pools.delete(state, pool)


def _attach_own(state: State, job: Job, specification: JsonObject) -> None:
    for_schedule = specification["poolLifetimeOption"] == "jobschedule"
    owner = job.schedule_id if for_schedule and job.schedule_id is not None else job.id
    pool = next((pool for pool in state.pools.values() if _lives_for(pool, owner)), None)
    if pool is None:
        error = _unmakeable(state, specification)
        if error is not None:
            job.resource["executionInfo"]["schedulingError"] = error
            return
        pool = _make(state, specification)
        pool.made_for = None if specification.get("keepAlive") else owner
        pool_changed(state, pool)
    job.resource["executionInfo"]["poolId"] = pool.id


def _make(state: State, specification: JsonObject) -> Pool:
    unique = str(uuid.UUID(int=state.random.getrandbits(128), version=4)).upper()
    prefix = specification.get("autoPoolIdPrefix")
    pool_id = f"{prefix}_{unique}" if prefix else unique
    return pools.create(state, {**specification["pool"], "id": pool_id})


def _unmakeable(state: State, specification: JsonObject) -> JsonObject | None:
    """The scheduling error of a job whose pool cannot be made."""
    if "pool" not in specification:
        return _error("InvalidAutoPoolSettings", "The auto pool settings are invalid: there is no pool specification.")
    reached = len(state.pools) >= state.quotas.pools
    if reached or state.faults.draw("quota_reached", operation="create_pool") is not None:
        return _error(
            "AutoPoolCreationFailedWithQuotaReached",
            "The auto pool could not be created: the account has reached its quota of pools.",
        )
    return None


def _error(code: str, message: str) -> JsonObject:
    return {"category": "UserError", "code": code, "message": message, "details": []}


def _lives_for(pool: Pool, owner: str) -> bool:
    return pool.made_for == owner and pool.state != "deleting"
