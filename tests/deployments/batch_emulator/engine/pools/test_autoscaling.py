"""Automatic scaling by the clock: pools follow their formula as tasks come and go."""

from typing import Any

from tests.deployments.batch_emulator.emulated import MACHINE, Emulated, on_emulator

PENDING = (
    "startingNumberOfVMs = 0;maxNumberofVMs = 4;"
    "pending = $PendingTasks.GetSamplePercent(90 * TimeInterval_Second) < 50 ? startingNumberOfVMs "
    ": max(0, $PendingTasks.GetSample(1));"
    "$TargetDedicatedNodes = min(maxNumberofVMs, pending);"
    "$NodeDeallocationOption = taskcompletion;"
)
FIVE_MINUTES: dict[str, Any] = {"enableAutoScale": True, "autoScaleEvaluationInterval": "PT5M"}


@on_emulator
async def test_a_pool_follows_its_pending_tasks_and_goes_to_zero(batch: Emulated) -> None:
    await batch.pool(wait=10, autoScaleFormula=PENDING, **FIVE_MINUTES)
    pool = batch.shown_pool()
    assert pool["autoScaleRun"]["results"].startswith("$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;")
    batch.job()
    for number in range(10):
        batch.task(str(number), seconds=200)
    await batch.advance(290)
    assert batch.shown_pool()["targetDedicatedNodes"] == 0
    await batch.advance(20)
    assert batch.shown_pool()["targetDedicatedNodes"] == 4
    await batch.advance(900)
    assert set(batch.states().values()) == {"completed"}
    await batch.advance(700)
    assert (batch.shown_pool()["targetDedicatedNodes"], batch.nodes()) == (0, [])


@on_emulator
async def test_busy_nodes_are_left_to_finish_when_the_formula_says_so(batch: Emulated) -> None:
    formula = PENDING.replace("max(0, $PendingTasks.GetSample(1))", "0")
    await batch.pool(autoScaleFormula="$TargetDedicatedNodes=1;", **FIVE_MINUTES)
    batch.job()
    batch.task(seconds=1000)
    await batch.advance(30)
    batch.do("enable_pool_auto_scale", {"autoScaleFormula": formula}, poolId="p")
    await batch.advance(900)
    assert (batch.shown_pool()["targetDedicatedNodes"], batch.node_states()) == (0, ["running"])
    assert batch.shown()["executionInfo"]["requeueCount"] == 0
    await batch.advance(200)
    assert (batch.states(), batch.nodes()) == ({"t": "completed"}, [])


@on_emulator
async def test_preempted_nodes_can_be_made_up_for(batch: Emulated) -> None:
    formula = "$TargetDedicatedNodes=max(0, $PreemptedNodeCount.GetSample(1));$TargetLowPriorityNodes=2;"
    await batch.pool(autoScaleFormula=formula, **FIVE_MINUTES)
    assert batch.node_states() == ["idle", "idle"]
    batch.account.act_on_node("p", batch.nodes()[0]["id"], "preempt")
    await batch.advance(250)
    assert (batch.shown_pool()["targetDedicatedNodes"], batch.shown_pool()["currentLowPriorityNodes"]) == (1, 2)


@on_emulator
async def test_a_formula_that_fails_says_so_and_leaves_the_pool(batch: Emulated) -> None:
    await batch.pool(autoScaleFormula="$TargetDedicatedNodes = 1;", **FIVE_MINUTES)
    assert batch.shown_pool()["currentDedicatedNodes"] == 1
    bad = "$TargetDedicatedNodes = $PendingTasks.GetSample(TimeInterval_Day, 90);"
    batch.do("enable_pool_auto_scale", {"autoScaleFormula": bad}, poolId="p")
    await batch.advance(10)
    run = batch.shown_pool()["autoScaleRun"]
    assert run["error"]["code"] == "InsufficientSampleData"
    assert batch.shown_pool()["targetDedicatedNodes"] == 1


@on_emulator
async def test_a_pool_that_got_too_few_nodes_tries_again(batch: Emulated) -> None:
    batch.inject("out_of_capacity", times=2)
    await batch.pool(autoScaleFormula="$TargetDedicatedNodes = 2;", **FIVE_MINUTES)
    assert batch.shown_pool()["resizeErrors"][0]["code"] == "AllocationFailed"
    await batch.advance(700)
    assert batch.node_states() == ["idle", "idle"]


@on_emulator
async def test_tasks_that_cannot_run_do_not_count_as_pending(batch: Emulated) -> None:
    await batch.pool(autoScaleFormula="$TargetDedicatedNodes = max(0, $PendingTasks.GetSample(1));", **FIVE_MINUTES)
    batch.job("waits", usesTaskDependencies=True)
    batch.task("first", "waits", seconds=5000)
    batch.task("second", "waits", dependsOn={"taskIds": ["first"]})
    batch.job("disabled")
    batch.do("_disable_job_internal", {"disableTasks": "wait"}, jobId="disabled")
    batch.task("t", "disabled")
    await batch.advance(400)
    assert batch.shown_pool()["targetDedicatedNodes"] == 1


@on_emulator
async def test_what_is_evaluated_changes_nothing(batch: Emulated) -> None:
    await batch.pool(autoScaleFormula="$TargetDedicatedNodes = 0;", **FIVE_MINUTES)
    etag = batch.shown_pool()["eTag"]
    body = {"autoScaleFormula": "$TargetDedicatedNodes = 3;"}
    run = batch.do("evaluate_pool_auto_scale", body, poolId="p")
    assert run["results"].startswith("$TargetDedicatedNodes=3;")
    assert (batch.shown_pool()["targetDedicatedNodes"], batch.shown_pool()["eTag"]) == (0, etag)
    broken = {"autoScaleFormula": "$TargetDedicatedNodes = ;"}
    assert batch.refused("evaluate_pool_auto_scale", broken, poolId="p") == "AutoScalingFormulaSyntaxError"


@on_emulator
async def test_autoscale_is_switched_on_and_off(batch: Emulated) -> None:
    await batch.pool()
    formula = {"autoScaleFormula": "$TargetDedicatedNodes = 2;"}
    assert batch.refused("evaluate_pool_auto_scale", formula, poolId="p") == "OperationNotValidOnPool"
    assert batch.refused("enable_pool_auto_scale", {}, poolId="p") == "MissingRequiredProperty"
    batch.do("enable_pool_auto_scale", formula, poolId="p")
    assert batch.shown_pool()["autoScaleEvaluationInterval"] == "PT15M"
    assert batch.refused("enable_pool_auto_scale", formula, poolId="p") == "TooManyEnableAutoScaleRequests"
    await batch.advance(100)
    assert batch.shown_pool()["currentDedicatedNodes"] == 2
    assert batch.refused("_resize_pool_internal", {"targetDedicatedNodes": 1}, poolId="p") == "OperationNotValidOnPool"
    batch.do("disable_pool_auto_scale", poolId="p")
    pool = batch.shown_pool()
    assert pool["enableAutoScale"] is False
    assert not {"autoScaleFormula", "autoScaleRun", "autoScaleEvaluationInterval"} & set(pool)
    await batch.advance(3600)
    assert batch.shown_pool()["currentDedicatedNodes"] == 2


@on_emulator
async def test_autoscale_cannot_be_enabled_in_the_middle_of_a_resize(batch: Emulated) -> None:
    await batch.pool(wait=10)
    formula = {"autoScaleFormula": "$TargetDedicatedNodes = 2;"}
    assert batch.refused("enable_pool_auto_scale", formula, poolId="p") == "PoolBeingResized"


@on_emulator
async def test_a_pool_either_scales_or_has_targets(batch: Emulated) -> None:
    body = {"id": "p", "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": MACHINE}
    formula = {"autoScaleFormula": "$TargetDedicatedNodes = 1;"}
    both = {**body, **formula, "enableAutoScale": True, "targetDedicatedNodes": 1}
    assert batch.refused("create_pool", both) == "InvalidPropertyValue"
    assert batch.refused("create_pool", {**body, **formula}) == "InvalidPropertyValue"
    assert batch.refused("create_pool", {**body, "enableAutoScale": True}) == "MissingRequiredProperty"
    nonsense = {**body, "enableAutoScale": True, "autoScaleFormula": "$Target = = 1;"}
    assert batch.refused("create_pool", nonsense) == "AutoScalingFormulaSyntaxError"
