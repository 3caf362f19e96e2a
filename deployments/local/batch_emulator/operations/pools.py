"""Operations on pools."""

from collections.abc import Mapping

from deployments.local.batch_emulator import autoscale
from deployments.local.batch_emulator.account import Account
from deployments.local.batch_emulator.call import Call, JsonObject, Listing, Reply
from deployments.local.batch_emulator.engine import allocation, autoscaling, documents, pools
from deployments.local.batch_emulator.engine.keeping import pool_changed
from deployments.local.batch_emulator.engine.model import Pool
from deployments.local.batch_emulator.errors import BatchError
from deployments.local.batch_emulator.operations.answers import done, refused, shown
from deployments.local.batch_emulator.operations.unsupported import refuse_property
from deployments.local.batch_emulator.quotas import cores

_MOST_SLOTS = 256
_SLOTS_PER_CORE = 4
_TARGETS = ("targetDedicatedNodes", "targetLowPriorityNodes")


def create_pool(account: Account, call: Call) -> Reply:
    body = call.body
    if body["id"].lower() in account.pools:
        raise BatchError("PoolExists")
    check_pool(body)
    struck = account.faults.draw("quota_reached", operation=call.operation, pool=body["id"])
    if struck is not None or len(account.pools) >= account.quotas.pools:
        raise BatchError("PoolQuotaReached")
    account.base_url = call.base_url
    return done(pools.create(account, body).resource)


def list_pools(account: Account, _call: Call) -> Listing:
    return Listing("pools", [pool.resource for pool in account.pools.values()])


def get_pool(account: Account, call: Call) -> Reply:
    return shown(account.pool(call.path["poolId"]).resource)


def pool_exists(account: Account, call: Call) -> Reply:
    return done(account.pool(call.path["poolId"]).resource)


def delete_pool(account: Account, call: Call) -> Reply:
    pool = _living(account, call)
    pools.delete(account, pool)
    return Reply()


def update_pool(account: Account, call: Call) -> Reply:
    """What a PATCH names is replaced as a whole."""
    pool = _living(account, call)
    _change(account, pool, call.body)
    return done(pool.resource)


def replace_pool_properties(account: Account, call: Call) -> Reply:
    pool = _living(account, call)
    pool.resource.pop("startTask", None)
    _change(account, pool, call.body)
    return done(pool.resource)


def resize_pool(account: Account, call: Call) -> Reply:
    pool = _steady(account, call)
    if pool.resource["enableAutoScale"]:
        raise BatchError("OperationNotValidOnPool", values={"Reason": "The pool scales automatically"})
    targets: JsonObject = {name: call.body[name] for name in _TARGETS if name in call.body}
    if not targets:
        raise BatchError("MissingRequiredProperty", values={"PropertyName": "targetDedicatedNodes"})
    pool.resource.update(targets)
    pool.resource["resizeTimeout"] = call.body.get("resizeTimeout", "PT15M")
    allocation.resize(account, pool, call.body.get("nodeDeallocationOption", "requeue"))
    account.touch(pool.resource)
    return done(pool.resource)


def stop_pool_resize(account: Account, call: Call) -> Reply:
    pool = _living(account, call)
    if pool.resource["allocationState"] != "resizing":
        raise BatchError("OperationInvalidForCurrentState", values={"Reason": "The pool is not being resized"})
    allocation.stop(account, pool)
    account.touch(pool.resource)
    return done(pool.resource)


def remove_nodes(account: Account, call: Call) -> Reply:
    pool = _steady(account, call)
    chosen = [account.node(pool.id, node_id) for node_id in call.body["nodeList"]]
    pool.resource["resizeTimeout"] = call.body.get("resizeTimeout", "PT15M")
    allocation.remove(account, pool, chosen, call.body.get("nodeDeallocationOption", "requeue"))
    account.touch(pool.resource)
    return done(pool.resource)


def enable_pool_auto_scale(account: Account, call: Call) -> Reply:
    """With a formula or an interval, or both; the other stays as it was."""
    pool = _living(account, call)
    resource = pool.resource
    formula = call.body.get("autoScaleFormula", resource.get("autoScaleFormula"))
    if formula is None:
        raise BatchError("MissingRequiredProperty", values={"PropertyName": "autoScaleFormula"})
    check_formula(formula)
    if not pool.steady and not resource["enableAutoScale"]:
        raise BatchError("PoolBeingResized")
    now = account.clock.now()
    last = pool.autoscale_enabled_at
    if last is not None and (now - last).total_seconds() < account.timings.enable_autoscale:
        raise BatchError("TooManyEnableAutoScaleRequests")
    pool.autoscale_enabled_at = now
    interval = call.body.get("autoScaleEvaluationInterval", resource.get("autoScaleEvaluationInterval", "PT15M"))
    resource.update(enableAutoScale=True, autoScaleFormula=formula, autoScaleEvaluationInterval=interval)
    account.touch(resource)
    autoscaling.begin(account, pool)
    return done(resource)


def disable_pool_auto_scale(account: Account, call: Call) -> Reply:
    """The pool stays as large as it is."""
    pool = _living(account, call)
    autoscaling.end(pool)
    for name in ("autoScaleFormula", "autoScaleEvaluationInterval", "autoScaleRun"):
        pool.resource.pop(name, None)
    pool.resource["enableAutoScale"] = False
    account.touch(pool.resource)
    pool_changed(account, pool)
    return done(pool.resource)


def evaluate_pool_auto_scale(account: Account, call: Call) -> Reply:
    pool = _living(account, call)
    if not pool.resource["enableAutoScale"]:
        raise BatchError("OperationNotValidOnPool", values={"Reason": "Automatic scaling is not enabled on the pool"})
    check_formula(call.body["autoScaleFormula"])
    return Reply(body=autoscaling.evaluated(account, pool, call.body["autoScaleFormula"]))


def check_pool(body: JsonObject) -> None:
    """What no single property tells. Raises: BatchError."""
    refuse_property("pool", body)
    slots = body.get("taskSlotsPerNode", 1)
    most = min(_SLOTS_PER_CORE * cores(body["vmSize"]), _MOST_SLOTS)
    if slots > most:
        raise refused("taskSlotsPerNode", slots, f"The VM size {body['vmSize']} has at most {most} task slots")
    if body.get("enableAutoScale"):
        if "targetDedicatedNodes" in body or "targetLowPriorityNodes" in body:
            raise refused("enableAutoScale", "true", "A pool that scales automatically has no targets of its own")
        if "autoScaleFormula" not in body:
            raise BatchError("MissingRequiredProperty", values={"PropertyName": "autoScaleFormula"})
        check_formula(body["autoScaleFormula"])
    elif "autoScaleFormula" in body:
        raise refused("autoScaleFormula", body["autoScaleFormula"], "Automatic scaling is not enabled on the pool")


def check_formula(formula: str) -> None:
    """Raises: BatchError for a formula that cannot be read; what goes wrong later is told by the run."""
    try:
        autoscale.check(formula)
    except autoscale.FormulaError as error:
        raise BatchError(error.code, values={"Message": error.detail}) from None


def _change(account: Account, pool: Pool, body: Mapping[str, object]) -> None:
    pool.resource.update(body)
    if "startTask" in body:
        pool.resource["startTask"] = documents.start_task(pool.resource["startTask"])
    account.touch(pool.resource)
    pool_changed(account, pool)


def _living(account: Account, call: Call) -> Pool:
    pool = account.pool(call.path["poolId"])
    if pool.resource["state"] == "deleting":
        raise BatchError("PoolBeingDeleted")
    return pool


def _steady(account: Account, call: Call) -> Pool:
    pool = _living(account, call)
    if not pool.steady:
        raise BatchError("PoolBeingResized")
    return pool
