"""Operations on pools."""

from collections.abc import Mapping

from azure_batch_emulator.engine import documents
from azure_batch_emulator.engine.model import Pool
from azure_batch_emulator.engine.persistence import pool_changed
from azure_batch_emulator.engine.pools import allocation, autoscaling
from azure_batch_emulator.engine.pools import lifecycle as pools
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.operations.answers import done, shown, touched
from azure_batch_emulator.operations.checks import check_formula, check_pool
from azure_batch_emulator.protocol.call import Call, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError

_TARGETS = ("targetDedicatedNodes", "targetLowPriorityNodes")


def create_pool(account: State, call: Call) -> Reply:
    body = call.body
    if body["id"].lower() in account.pools:
        raise BatchError("PoolExists")
    check_pool(body)
    fault = account.faults.draw("quota_reached", operation=call.operation, pool=body["id"])
    if fault is not None or len(account.pools) >= account.quotas.pools:
        raise BatchError("PoolQuotaReached")
    account.base_url = call.base_url
    return done(pools.create(account, body).resource)


def list_pools(account: State, _call: Call) -> Listing:
    return Listing("pools", [pool.resource for pool in account.pools.values()])


def get_pool(account: State, call: Call) -> Reply:
    return shown(account.pool(call.path["poolId"]).resource)


def pool_exists(account: State, call: Call) -> Reply:
    return done(account.pool(call.path["poolId"]).resource)


def delete_pool(account: State, call: Call) -> Reply:
    pool = _living(account, call)
    pools.delete(account, pool)
    return Reply()


def update_pool(account: State, call: Call) -> Reply:
    """What a PATCH names is replaced as a whole."""
    return _changed(account, _living(account, call), call.body)


def replace_pool_properties(account: State, call: Call) -> Reply:
    pool = _living(account, call)
    pool.resource.pop("startTask", None)
    return _changed(account, pool, call.body)


def resize_pool(account: State, call: Call) -> Reply:
    pool = _steady(account, call)
    if pool.resource["enableAutoScale"]:
        raise BatchError("OperationNotValidOnPool", values={"Reason": "The pool scales automatically"})
    targets: JsonObject = {name: call.body[name] for name in _TARGETS if name in call.body}
    if not targets:
        raise BatchError("MissingRequiredProperty", values={"PropertyName": "targetDedicatedNodes"})
    pool.resource.update(targets)
    pool.resource["resizeTimeout"] = call.body.get("resizeTimeout", "PT15M")
    allocation.resize(account, pool, call.body.get("nodeDeallocationOption", "requeue"))
    return touched(account, pool.resource)


def stop_pool_resize(account: State, call: Call) -> Reply:
    pool = _living(account, call)
    if pool.resource["allocationState"] != "resizing":
        raise BatchError("OperationInvalidForCurrentState", values={"Reason": "The pool is not being resized"})
    allocation.stop(account, pool)
    return touched(account, pool.resource)


def remove_nodes(account: State, call: Call) -> Reply:
    pool = _steady(account, call)
    chosen = [account.node(pool.id, node_id) for node_id in call.body["nodeList"]]
    pool.resource["resizeTimeout"] = call.body.get("resizeTimeout", "PT15M")
    allocation.remove(account, pool, chosen, call.body.get("nodeDeallocationOption", "requeue"))
    return touched(account, pool.resource)


def enable_pool_auto_scale(account: State, call: Call) -> Reply:
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
    autoscaling.begin(account, pool)
    return touched(account, resource)


def disable_pool_auto_scale(account: State, call: Call) -> Reply:
    """The pool stays as large as it is."""
    pool = _living(account, call)
    autoscaling.end(pool)
    for name in ("autoScaleFormula", "autoScaleEvaluationInterval", "autoScaleRun"):
        pool.resource.pop(name, None)
    pool.resource["enableAutoScale"] = False
    pool_changed(account, pool)
    return touched(account, pool.resource)


def evaluate_pool_auto_scale(account: State, call: Call) -> Reply:
    pool = _living(account, call)
    if not pool.resource["enableAutoScale"]:
        raise BatchError("OperationNotValidOnPool", values={"Reason": "Automatic scaling is not enabled on the pool"})
    check_formula(call.body["autoScaleFormula"])
    return Reply(body=autoscaling.evaluated(account, pool, call.body["autoScaleFormula"]))


def _changed(account: State, pool: Pool, body: Mapping[str, object]) -> Reply:
    pool.resource.update(body)
    if "startTask" in body:
        pool.resource["startTask"] = documents.start_task(pool.resource["startTask"])
    pool_changed(account, pool)
    return touched(account, pool.resource)


def _living(account: State, call: Call) -> Pool:
    pool = account.pool(call.path["poolId"])
    if pool.state == "deleting":
        raise BatchError("PoolBeingDeleted")
    return pool


def _steady(account: State, call: Call) -> Pool:
    pool = _living(account, call)
    if not pool.steady:
        raise BatchError("PoolBeingResized")
    return pool
