"""Automatic scaling by the clock: samples are taken, the formula is evaluated, the pool follows."""

from azure_batch_emulator import autoscale
from azure_batch_emulator.control.clock import cancel
from azure_batch_emulator.engine.model import Pool
from azure_batch_emulator.engine.persistence import pool_changed
from azure_batch_emulator.engine.pools import allocation
from azure_batch_emulator.engine.pools.sampling import PoolMetrics, take_samples
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.times import seconds


def begin(state: State, pool: Pool) -> None:
    """Evaluates the formula of an autoscale pool soon, and again at each interval."""
    end(pool)
    if pool.resource["enableAutoScale"]:
        pool.sampling = state.clock.call_later(state.timings.sample, lambda: _sample(state, pool))
        pool.evaluation = state.clock.call_later(state.timings.first_evaluation, lambda: _follow(state, pool))


def end(pool: Pool) -> None:
    cancel(pool.sampling, pool.evaluation)
    pool.sampling = pool.evaluation = None


def evaluated(state: State, pool: Pool, formula: str) -> JsonObject:
    """An AutoScaleRun of this formula, which changes nothing."""
    run, _ = _run(state, pool, formula)
    return run


def _follow(state: State, pool: Pool) -> None:
    interval = seconds(pool.resource["autoScaleEvaluationInterval"])
    pool.evaluation = state.clock.call_later(interval, lambda: _follow(state, pool))
    run, wanted = _run(state, pool, pool.resource["autoScaleFormula"])
    pool.resource["autoScaleRun"] = run
    if wanted is not None:
        _apply(state, pool, wanted)
    pool_changed(state, pool)


def _run(state: State, pool: Pool, formula: str) -> tuple[JsonObject, autoscale.Evaluation | None]:
    now = state.clock.now()
    metrics = PoolMetrics(pool, now)
    try:
        wanted = autoscale.run(formula, metrics, now)
    except autoscale.FormulaError as error:
        results = autoscale.unchanged(metrics).results
        return {"timestamp": state.stamp(), "results": results, "error": error.as_json()}, None
    return {"timestamp": state.stamp(), "results": wanted.results}, wanted


def _apply(state: State, pool: Pool, wanted: autoscale.Evaluation) -> None:
    """A resize for other targets, also in the middle of one, and for those that the last one did not reach."""
    resource = pool.resource
    targets = {"Dedicated": wanted.target_dedicated, "LowPriority": wanted.target_low_priority}
    same = all(resource[f"target{kind}Nodes"] == count for kind, count in targets.items())
    reached = all(resource[f"current{kind}Nodes"] == count for kind, count in targets.items())
    if resource["state"] == "deleting" or resource["allocationState"] == "stopping" or (same and reached):
        return
    if same and not pool.steady:
        return
    resource.update({f"target{kind}Nodes": count for kind, count in targets.items()})
    allocation.resize(state, pool, wanted.deallocation_option)


def _sample(state: State, pool: Pool) -> None:
    pool.sampling = state.clock.call_later(state.timings.sample, lambda: _sample(state, pool))
    take_samples(state, pool)
