"""The life of nodes: start tasks, reboots, preemption, failure, and what becomes of the tasks on them."""

import pytest

from azure_batch_emulator.engine.tasks import launches
from azure_batch_emulator.protocol.errors import BatchError
from tests.deployments.batch_emulator.emulated import MACHINE, Emulated, on_emulator

CONTAINERS = {**MACHINE, "containerConfiguration": {"type": "dockerCompatible", "containerImageNames": ["etl:1"]}}


@on_emulator
async def test_a_start_task_is_waited_for(batch: Emulated) -> None:
    await batch.pool(startTask={"commandLine": "simulate --seconds 60"})
    assert batch.node_states() == ["waitingforstarttask"]
    assert batch.nodes()[0]["startTaskInfo"]["state"] == "running"
    await batch.advance(60)
    assert batch.node_states() == ["idle"]
    assert batch.nodes()[0]["startTaskInfo"]["exitCode"] == 0


@on_emulator
async def test_a_start_task_may_be_left_to_itself(batch: Emulated) -> None:
    await batch.pool(startTask={"commandLine": "simulate --seconds 60 --exit-code 1", "waitForSuccess": False})
    assert batch.node_states() == ["idle"]
    await batch.advance(60)
    assert batch.node_states() == ["idle"]
    assert batch.nodes()[0]["startTaskInfo"]["result"] == "failure"


@on_emulator
async def test_a_node_whose_start_task_fails_stays_out_of_use(batch: Emulated) -> None:
    await batch.pool(startTask={"commandLine": "simulate --seconds 1 --exit-code 9", "maxTaskRetryCount": 2})
    node = batch.nodes()[0]
    assert node["state"] == "starttaskfailed"
    assert (node["startTaskInfo"]["retryCount"], node["startTaskInfo"]["exitCode"]) == (2, 9)
    assert node["startTaskInfo"]["failureInfo"]["code"] == "FailureExitCode"
    batch.job()
    batch.task()
    await batch.advance(86_400)
    assert (batch.node_states(), batch.states()) == (["starttaskfailed"], {"t": "active"})
    assert batch.shown_pool()["currentDedicatedNodes"] == 1


@on_emulator
async def test_a_start_task_may_meet_a_fault_and_a_reboot_mends_it(batch: Emulated) -> None:
    batch.inject("start_task_failed", times=1)
    await batch.pool(startTask={"commandLine": "simulate --seconds 1"})
    assert batch.node_states() == ["starttaskfailed"]
    batch.at_node("_reboot_node_internal")
    await batch.advance(120)
    assert batch.node_states() == ["idle"]


@on_emulator
async def test_a_node_that_cannot_fetch_its_image_is_unusable(batch: Emulated) -> None:
    batch.inject("image_pull_failed", times=1, message="unauthorized: authentication required")
    await batch.pool(virtualMachineConfiguration=CONTAINERS, targetDedicatedNodes=2)
    assert sorted(batch.node_states()) == ["idle", "unusable"]
    broken = next(node for node in batch.nodes() if node["state"] == "unusable")
    assert "unauthorized" in broken["errors"][0]["message"]
    await batch.advance(86_400)
    assert sorted(batch.node_states()) == ["idle", "unusable"]


@on_emulator
async def test_a_preempted_node_keeps_its_id_and_comes_back(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=0, targetLowPriorityNodes=1)
    batch.job()
    batch.task(seconds=600)
    await batch.advance(1)
    node = batch.nodes()[0]["id"]
    batch.account.act_on_node("p", node, "preempt")
    await batch.advance(1)
    assert batch.node_states() == ["preempted"]
    assert batch.shown_pool()["currentLowPriorityNodes"] == 1
    assert batch.states() == {"t": "active"}
    # The service recovers the task, and no counter tells.
    assert batch.shown()["executionInfo"] == {"retryCount": 0, "requeueCount": 0}
    await batch.advance(300)
    assert batch.node_states() == ["creating"]
    await batch.advance(30)
    assert [each["id"] for each in batch.nodes()] == [node]
    assert batch.states() == {"t": "running"}


@on_emulator
async def test_the_loss_of_a_node_uses_up_no_retry(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=2)
    batch.job()
    batch.task(seconds=30, constraints={"maxTaskRetryCount": 0})
    await batch.advance(1)
    first = batch.shown()["nodeInfo"]["nodeId"], batch.shown()["executionInfo"]["startTime"]
    batch.account.act_on_node("p", first[0], "fail")
    await batch.advance(2)
    assert "unknown" in batch.node_states()
    assert batch.shown()["state"] == "running"
    assert batch.shown()["nodeInfo"]["nodeId"] != first[0]
    assert batch.shown()["executionInfo"]["startTime"] != first[1]
    await batch.advance(300)
    assert batch.shown()["executionInfo"]["result"] == "success"
    assert batch.node_states() == ["idle", "idle"]


@on_emulator
async def test_spot_nodes_are_preempted_while_they_run_tasks(batch: Emulated) -> None:
    batch.inject("node_preempted", job="j", task="t", times=2, seconds=20)
    await batch.pool(targetDedicatedNodes=0, targetLowPriorityNodes=3)
    batch.job()
    batch.task(seconds=60)
    starts = set()
    for _ in range(30):
        await batch.advance(10)
        starts.add(batch.shown()["executionInfo"].get("startTime"))
    assert len(starts - {None}) == 3
    assert batch.states() == {"t": "completed"}


@on_emulator
async def test_dedicated_nodes_are_never_preempted(batch: Emulated) -> None:
    batch.inject("node_preempted")
    await batch.pool(targetDedicatedNodes=1, targetLowPriorityNodes=1)
    await batch.advance(60)
    assert batch.node_states() == ["idle", "preempted"]
    with pytest.raises(BatchError, match="dedicated"):
        batch.account.act_on_node("p", batch.nodes()[0]["id"], "preempt")


@on_emulator
async def test_an_unusable_node_stays_so_until_somebody_mends_it(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=600)
    await batch.advance(1)
    batch.account.act_on_node("p", batch.nodes()[0]["id"], "break")
    await batch.advance(86_400)
    assert batch.node_states() == ["unusable"]
    assert "disk is full" in batch.nodes()[0]["errors"][0]["message"]
    assert batch.states() == {"t": "active"}
    batch.at_node("_reimage_node_internal")
    assert batch.node_states() == ["reimaging"]
    assert "errors" not in batch.nodes()[0]
    await batch.advance(120)
    assert batch.states() == {"t": "running"}


@on_emulator
async def test_a_reboot_counts_as_a_requeue(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=600)
    await batch.advance(1)
    booted = batch.nodes()[0]["lastBootTime"]
    batch.at_node("_reboot_node_internal", body={"nodeRebootOption": "requeue"})
    await batch.advance(1)
    assert batch.node_states() == ["rebooting"]
    assert batch.shown()["executionInfo"]["requeueCount"] == 1
    assert "lastRequeueTime" in batch.shown()["executionInfo"]
    assert batch.refused("_reboot_node_internal", {}, poolId="p", nodeId=batch.nodes()[0]["id"]) == "NodeBeingRebooted"
    await batch.advance(60)
    assert batch.states() == {"t": "running"}
    assert batch.nodes()[0]["lastBootTime"] > booted


@on_emulator
async def test_a_reboot_may_wait_for_the_tasks(batch: Emulated) -> None:
    await batch.pool(taskSlotsPerNode=2)
    batch.job()
    batch.task("running", seconds=60)
    await batch.advance(1)
    batch.at_node("_reboot_node_internal", body={"nodeRebootOption": "taskcompletion"})
    batch.task("next")
    await batch.advance(30)
    assert (batch.node_states(), batch.states()["next"]) == (["running"], "active")
    await batch.advance(40)
    assert (batch.node_states(), batch.states()["running"]) == (["rebooting"], "completed")
    await batch.advance(90)
    assert batch.states()["next"] == "completed"


@on_emulator
async def test_scheduling_can_be_switched_off(batch: Emulated) -> None:
    await batch.pool()
    batch.at_node("disable_node_scheduling", body={"nodeDisableSchedulingOption": "taskcompletion"})
    assert (batch.node_states(), batch.nodes()[0]["schedulingState"]) == (["offline"], "disabled")
    node = batch.nodes()[0]["id"]
    code = batch.refused("disable_node_scheduling", {}, poolId="p", nodeId=node)
    assert code == "NodeAlreadyInTargetSchedulingState"
    batch.job()
    batch.task()
    await batch.advance(60)
    assert batch.states() == {"t": "active"}
    batch.at_node("enable_node_scheduling")
    await batch.advance(20)
    assert batch.states() == {"t": "completed"}


@on_emulator
async def test_a_node_can_be_deallocated_and_started(batch: Emulated) -> None:
    await batch.pool()
    node = batch.nodes()[0]["id"]
    assert batch.refused("_start_node_internal", poolId="p", nodeId=node) == "OperationNotValidOnNode"
    batch.at_node("_deallocate_node_internal")
    assert batch.node_states() == ["deallocating"]
    await batch.advance(60)
    assert batch.node_states() == ["deallocated"]
    batch.at_node("_start_node_internal")
    await batch.advance(60)
    assert batch.node_states() == ["idle"]


@on_emulator
async def test_nodes_are_counted_by_state(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=3, targetLowPriorityNodes=1)
    batch.job()
    batch.task(seconds=600)
    await batch.advance(1)
    batch.account.act_on_node("p", batch.nodes()[3]["id"], "preempt")
    counts = batch.do("list_pool_node_counts")[0]
    assert counts["poolId"] == "p"
    assert (counts["dedicated"]["idle"], counts["dedicated"]["running"], counts["dedicated"]["total"]) == (2, 1, 3)
    assert (counts["lowPriority"]["preempted"], counts["lowPriority"]["total"]) == (1, 1)


@on_emulator
async def test_a_node_remembers_what_ran_on_it(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task("good")
    batch.task("bad", exit_code=1)
    await batch.advance(60)
    node = batch.nodes()[0]
    assert (node["totalTasksRun"], node["totalTasksSucceeded"], node["runningTasksCount"]) == (2, 1, 0)
    assert [each["taskId"] for each in node["recentTasks"]] == ["bad", "good"]


@on_emulator
async def test_users_of_a_node(batch: Emulated) -> None:
    await batch.pool()
    batch.at_node("create_node_user", body={"name": "Ada", "password": "secret"})
    node = {"poolId": "p", "nodeId": batch.nodes()[0]["id"]}
    assert batch.refused("create_node_user", {"name": "ada"}, **node) == "NodeUserExists"
    batch.do("replace_node_user", {"password": "other"}, userName="ada", **node)
    batch.do("delete_node_user", userName="ADA", **node)
    assert batch.refused("delete_node_user", userName="ada", **node) == "NodeUserNotFound"
    assert batch.do("get_node_remote_login_settings", **node)["remoteLoginPort"] == 50000


@on_emulator
async def test_a_pool_that_is_not_there_has_no_nodes(batch: Emulated) -> None:
    assert batch.refused("list_nodes", poolId="p") == "PoolNotFound"
    await batch.pool()
    assert batch.refused("get_node", poolId="p", nodeId="tvmps_0_d") == "NodeNotFound"


@on_emulator
async def test_logins_go_to_the_port_for_logins(batch: Emulated) -> None:
    own = {"name": "web", "protocol": "tcp", "backendPort": 80, "frontendPortRangeStart": 1, "frontendPortRangeEnd": 99}
    endpoints = {"endpointConfiguration": {"inboundNATPools": [own]}}
    await batch.pool(networkConfiguration=endpoints)
    settings = batch.at_node("get_node_remote_login_settings")
    assert settings == {"remoteLoginIPAddress": "127.0.0.1", "remoteLoginPort": 50000}


@on_emulator
async def test_logins_by_ipv6_where_the_pool_has_such_addresses(batch: Emulated) -> None:
    await batch.pool(networkConfiguration={"publicIPAddressConfiguration": {"ipFamilies": ["IPv4", "IPv6"]}})
    settings = batch.at_node("get_node_remote_login_settings")
    assert (settings["ipv6RemoteLoginIPAddress"], settings["ipv6RemoteLoginPort"]) == ("::1", 50000)


@pytest.mark.parametrize(("agent", "windows"), [("batch.node.windows amd64", True), ("batch.node.ubuntu 22.04", False)])
def test_what_runs_on_a_node_of_windows_is_told_so(agent: str, *, windows: bool) -> None:
    @on_emulator
    async def scenario(batch: Emulated) -> None:
        machine = {**MACHINE, "nodeAgentSKUId": agent}
        await batch.pool(wait=200, virtualMachineConfiguration=machine, startTask=_START)
        batch.job()
        batch.task()
        node = next(iter(batch.account.pool("p").nodes.values()))
        assert launches.of_task(batch.account, batch.account.task("j", "t"), node).windows is windows
        assert launches.of_start_task(batch.account, node).windows is windows

    scenario()


_START = {"commandLine": "simulate --seconds 1"}
