"""The life of pools: allocation and its errors, resizes, deletion, and what a pool looks like."""

import re

import pytest

from azure_batch_emulator.control.quotas import Quotas, cores
from tests.deployments.batch_emulator.emulated import MACHINE, Emulated, on_emulator


@on_emulator
async def test_a_pool_grows_to_its_targets(batch: Emulated) -> None:
    await batch.pool(wait=0, targetDedicatedNodes=2, targetLowPriorityNodes=1)
    pool = batch.shown_pool()
    assert (pool["state"], pool["allocationState"], pool["currentDedicatedNodes"]) == ("active", "resizing", 0)
    assert (pool["vmSize"], pool["resizeTimeout"]) == ("standard_d2s_v3", "PT15M")
    assert pool["virtualMachineConfiguration"]["imageReference"]["version"] == "latest"
    etag = pool["eTag"]
    await batch.advance(53)
    pool = batch.shown_pool()
    assert (pool["allocationState"], pool["currentDedicatedNodes"]) == ("steady", 2)
    assert pool["currentLowPriorityNodes"] == 1
    assert pool["eTag"] == etag
    assert batch.node_states() == ["creating"] * 3
    await batch.advance(11)
    assert batch.node_states() == ["starting"] * 3
    assert "lastBootTime" not in batch.nodes()[0]
    await batch.advance(10)
    assert batch.node_states() == ["idle"] * 3


@on_emulator
async def test_the_name_of_a_node_tells_its_kind(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=1, targetLowPriorityNodes=1)
    dedicated, spot = batch.nodes()
    assert re.fullmatch(r"tvmps_[0-9a-f]{64}_d", dedicated["id"])
    assert re.fullmatch(r"tvmps_[0-9a-f]{64}_p", spot["id"])
    assert (dedicated["isDedicated"], spot["isDedicated"]) == (True, False)
    assert dedicated["affinityId"] == f"TVM:{dedicated['id']}"


@on_emulator
async def test_no_two_nodes_share_an_address(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=3)
    batch.do("_remove_nodes_internal", {"nodeList": [batch.nodes()[0]["id"]]}, poolId="p")
    await batch.advance(30)
    batch.do("_resize_pool_internal", {"targetDedicatedNodes": 4}, poolId="p")
    await batch.advance(80)
    assert len({node["ipAddress"] for node in batch.nodes()}) == 4


@on_emulator
async def test_windows_takes_longer_to_start(batch: Emulated) -> None:
    machine = {**MACHINE, "nodeAgentSKUId": "batch.node.windows amd64"}
    await batch.pool(virtualMachineConfiguration=machine)
    assert batch.node_states() == ["starting"]
    await batch.advance(60)
    assert batch.node_states() == ["idle"]
    batch.job()
    batch.task()
    await batch.advance(1)
    assert batch.shown()["nodeInfo"]["taskRootDirectory"] == "workitems\\j\\job-1\\t"


@on_emulator
async def test_a_resize_goes_both_ways(batch: Emulated) -> None:
    await batch.pool()
    etag = batch.shown_pool()["eTag"]
    batch.do("_resize_pool_internal", {"targetDedicatedNodes": 3}, poolId="p")
    assert batch.shown_pool()["allocationState"] == "resizing"
    assert batch.shown_pool()["eTag"] != etag
    assert batch.refused("_resize_pool_internal", {"targetDedicatedNodes": 1}, poolId="p") == "PoolBeingResized"
    await batch.advance(80)
    assert batch.node_states() == ["idle"] * 3
    batch.do("_resize_pool_internal", {"targetDedicatedNodes": 0}, poolId="p")
    await batch.advance(9)
    assert batch.node_states() == ["leavingpool"] * 3
    await batch.advance(10)
    assert batch.nodes() == []
    assert batch.shown_pool()["allocationState"] == "steady"


@on_emulator
async def test_a_stopped_resize_says_so(batch: Emulated) -> None:
    await batch.pool(wait=10, targetDedicatedNodes=5)
    batch.do("_stop_pool_resize_internal", poolId="p")
    assert batch.shown_pool()["allocationState"] == "stopping"
    await batch.advance(60)
    pool = batch.shown_pool()
    assert (pool["allocationState"], pool["currentDedicatedNodes"], pool["targetDedicatedNodes"]) == ("steady", 0, 5)
    assert pool["resizeErrors"][0]["code"] == "ResizeStopped"
    assert batch.refused("_stop_pool_resize_internal", poolId="p") == "OperationInvalidForCurrentState"


@on_emulator(quotas=Quotas(dedicated_cores=5, low_priority_cores=2))
async def test_a_pool_is_as_large_as_the_core_quota_allows(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=4, targetLowPriorityNodes=1)
    pool = batch.shown_pool()
    assert (pool["currentDedicatedNodes"], pool["currentLowPriorityNodes"]) == (2, 1)
    assert [error["code"] for error in pool["resizeErrors"]] == ["AccountCoreQuotaReached"]
    batch.do("_resize_pool_internal", {"targetDedicatedNodes": 1}, poolId="p")
    assert "resizeErrors" not in batch.shown_pool()


@on_emulator
async def test_there_may_be_no_capacity(batch: Emulated) -> None:
    batch.inject("out_of_capacity", pool="p", times=1)
    await batch.pool(targetDedicatedNodes=4)
    pool = batch.shown_pool()
    assert (pool["allocationState"], pool["currentDedicatedNodes"]) == ("steady", 0)
    assert pool["resizeErrors"][0]["code"] == "AllocationFailed"
    await batch.advance(3600)
    assert batch.nodes() == []
    batch.do("_resize_pool_internal", {"targetDedicatedNodes": 4}, poolId="p")
    await batch.advance(80)
    assert batch.node_states() == ["idle"] * 4


@on_emulator
async def test_a_resize_out_of_time_gives_up(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=7200)
    await batch.advance(1)
    body = {"targetDedicatedNodes": 0, "nodeDeallocationOption": "taskcompletion", "resizeTimeout": "PT10M"}
    batch.do("_resize_pool_internal", body, poolId="p")
    await batch.advance(590)
    assert batch.shown_pool()["allocationState"] == "resizing"
    await batch.advance(20)
    assert batch.shown_pool()["allocationState"] == "steady"
    assert batch.shown_pool()["resizeErrors"][0]["code"] == "AllocationTimedout"


@pytest.mark.parametrize(
    ("option", "state", "requeued"),
    [("requeue", "active", 1), ("terminate", "completed", 0), ("taskcompletion", "running", 0)],
)
def test_tasks_on_nodes_that_go(option: str, state: str, requeued: int) -> None:
    @on_emulator
    async def scenario(batch: Emulated) -> None:
        await batch.pool()
        batch.job()
        batch.task(seconds=120)
        await batch.advance(1)
        node = batch.nodes()[0]["id"]
        batch.do("_remove_nodes_internal", {"nodeList": [node], "nodeDeallocationOption": option}, poolId="p")
        assert batch.shown_pool()["targetDedicatedNodes"] == 0
        await batch.advance(30)
        assert batch.states() == {"t": state}
        assert batch.shown()["executionInfo"]["requeueCount"] == requeued
        await batch.advance(120)
        assert batch.nodes() == []
        assert batch.shown_pool()["allocationState"] == "steady"

    scenario()


@on_emulator
async def test_a_node_may_wait_for_the_data_of_its_tasks(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(constraints={"retentionTime": "PT10M"})
    await batch.advance(20)
    body = {"targetDedicatedNodes": 0, "nodeDeallocationOption": "retaineddata"}
    batch.do("_resize_pool_internal", body, poolId="p")
    await batch.advance(300)
    assert batch.node_states() == ["idle"]
    await batch.advance(400)
    assert batch.nodes() == []


@on_emulator
async def test_a_deleted_pool_is_there_for_a_while_and_its_tasks_are_in_line_again(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=600)
    await batch.advance(1)
    batch.do("_delete_pool_internal", poolId="p")
    await batch.advance(10)
    assert batch.shown_pool()["state"] == "deleting"
    assert batch.refused("_delete_pool_internal", poolId="p") == "PoolBeingDeleted"
    assert batch.refused("create_pool", _body("P")) == "PoolExists"
    await batch.advance(10)
    assert batch.refused("get_pool", poolId="p") == "PoolNotFound"
    assert batch.states() == {"t": "active"}


@on_emulator(quotas=Quotas(pools=1))
async def test_an_account_has_so_many_pools(batch: Emulated) -> None:
    batch.do("create_pool", _body("1"))
    assert batch.refused("create_pool", _body("2")) == "PoolQuotaReached"


@on_emulator
async def test_slots_are_bounded_by_cores(batch: Emulated) -> None:
    assert batch.refused("create_pool", {**_body("p"), "taskSlotsPerNode": 9}) == "InvalidPropertyValue"
    batch.do("create_pool", {**_body("p"), "taskSlotsPerNode": 8})


@on_emulator
async def test_properties_are_changed_or_replaced(batch: Emulated) -> None:
    start = {"commandLine": "simulate --seconds 1"}
    metadata = [{"name": "team", "value": "prices"}]
    await batch.pool(startTask=start, metadata=metadata)
    assert batch.shown_pool()["startTask"]["waitForSuccess"] is True
    batch.do("update_pool", {"metadata": []}, poolId="p")
    assert (batch.shown_pool()["metadata"], "startTask" in batch.shown_pool()) == ([], True)
    replacement = {"applicationPackageReferences": [], "metadata": metadata}
    batch.do("replace_pool_properties", replacement, poolId="p")
    assert (batch.shown_pool()["metadata"], "startTask" in batch.shown_pool()) == (metadata, False)


@on_emulator
async def test_what_the_emulator_cannot_do_is_refused(batch: Emulated) -> None:
    batch.job()
    task = {"id": "t", "commandLine": "x", "multiInstanceSettings": {"coordinationCommandLine": "y"}}
    assert batch.refused("create_task", task, jobId="j") == "UnsupportedProperty"
    assert batch.refused("get_application", applicationId="a") == "ApplicationNotFound"


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("Standard_D2_v5", 2),
        ("standard_d4s_v3", 4),
        ("STANDARD_D1_V2", 1),
        ("standard_d3_v2", 4),
        ("standard_nc24ads_a100_v4", 24),
        ("standard_m64-32ms", 32),
        ("standard_a7", 8),
        ("nonsense", 1),
    ],
)
def test_cores_are_read_from_the_name_of_the_size(size: str, count: int) -> None:
    assert cores(size) == count


def _body(pool_id: str) -> dict[str, object]:
    return {"id": pool_id, "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": MACHINE}
