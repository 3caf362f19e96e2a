"""The real SDK, synchronous and asynchronous, against the emulator: the account, pools and their nodes."""

import asyncio
import datetime as dt

import pytest
from azure.batch import models as m
from azure.core import MatchConditions

from azure_batch_emulator.running_emulator import Emulator
from tests.deployments.batch_emulator.either import either_client, emulator, error_of, get, kind, server

__all__ = ["emulator", "kind", "server"]

# Pollers of the SDK outlive the call that made them, and their connections the client.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

IMAGE = m.BatchVmImageReference(publisher="canonical", offer="0001-com-ubuntu-server-jammy", sku="22_04-lts")
MACHINE = m.VirtualMachineConfiguration(image_reference=IMAGE, node_agent_sku_id="batch.node.ubuntu 22.04")
VM_SIZE = "standard_d2_v2"


def pool(name: str, **options) -> m.BatchPoolCreateOptions:
    return m.BatchPoolCreateOptions(
        **{"id": name, "vm_size": VM_SIZE, "virtual_machine_configuration": MACHINE, **options}
    )


def idle_nodes(emulator: Emulator, pool_id: str, count: int) -> list[m.BatchNode]:
    def found() -> list[m.BatchNode] | None:
        nodes = list(client.list_nodes(pool_id))
        return nodes if len(nodes) == count and all(node.state == "idle" for node in nodes) else None

    with emulator.client() as client:
        nodes: list[m.BatchNode] = emulator.advance_until(found)
        return nodes


def test_pools_of_all_sorts(emulator, kind) -> None:
    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            images = await get(client.list_supported_images())
            assert len(images) > 1
            assert images[-1].image_reference is not None
            assert await get(client.list_applications()) == []
            users = [
                m.UserAccount(name="test-user-1", password="secret"),
                m.UserAccount(name="test-user-2", password="secret", elevation_level=m.ElevationLevel.ADMIN),
            ]
            packed = m.BatchTaskSchedulingPolicy(node_fill_type=m.BatchNodeFillType.PACK)
            await get(client.create_pool(pool("users", user_accounts=users, task_scheduling_policy=packed)))
            counts = await get(client.list_pool_node_counts())
            assert [count.pool_id for count in counts] == ["users"]
            assert counts[0].dedicated.total == counts[0].low_priority.total == counts[0].dedicated.leaving_pool == 0
            stored = await get(client.get_pool("users"))
            assert [user.elevation_level for user in stored.user_accounts] == ["nonadmin", "admin"]
            assert all(user.password is None for user in stored.user_accounts)

            disk = m.DataDisk(logical_unit_number=1, disk_size_gb=50)
            machine = m.VirtualMachineConfiguration({**MACHINE, "dataDisks": [disk]})
            await get(client.create_pool(pool("disks", virtual_machine_configuration=machine)))
            disks = (await get(client.get_pool("disks"))).virtual_machine_configuration.data_disks
            assert (disks[0].logical_unit_number, disks[0].disk_size_gb) == (1, 50)
            encrypted = m.DiskEncryptionConfiguration(targets=[m.DiskEncryptionTarget.TEMPORARY_DISK])
            machine = m.VirtualMachineConfiguration({**MACHINE, "diskEncryptionConfiguration": encrypted})
            await get(client.create_pool(pool("encrypted", virtual_machine_configuration=machine)))
            stored = await get(client.get_pool("encrypted"))
            targets = stored.virtual_machine_configuration.disk_encryption_configuration.targets
            assert targets == [m.DiskEncryptionTarget.TEMPORARY_DISK]

            assert [each.id for each in await get(client.list_pools())] == ["disks", "encrypted", "users"]
            assert [each.id for each in await get(client.list_pools(max_results=1))] == ["disks", "encrypted", "users"]
            chosen = client.list_pools(filter="startswith(id,'enc')", select=["id,state"], expand=["stats"])
            assert [(each.id, each.vm_size) for each in await get(chosen)] == [("encrypted", None)]

    asyncio.run(scenario())


def test_pools_that_are_refused(emulator, kind) -> None:
    async def scenario() -> None:
        zeros = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/test/providers"
        subnet = m.NetworkConfiguration(subnet_id=f"{zeros}/Microsoft.Network/virtualNetworks/vnet1/subnets/subnet1")
        gallery = f"{zeros}/Microsoft.Compute/gallery/FakeGallery/images/FakeImage/versions/version"
        machine = m.VirtualMachineConfiguration(
            image_reference=m.BatchVmImageReference(virtual_machine_image_id=gallery), node_agent_sku_id="x"
        )
        async with either_client(emulator, kind) as client:
            for options in ({"network_configuration": subnet}, {"virtual_machine_configuration": machine}):
                refused = await error_of(lambda o=options: client.create_pool(pool("p", **o)))
                assert refused == (400, "InvalidPropertyValue")
            await get(client.create_pool(pool("p")))
            assert await error_of(lambda: client.create_pool(pool("P"))) == (409, "PoolExists")
            assert await error_of(lambda: client.get_pool("none")) == (404, "PoolNotFound")
            assert (await error_of(lambda: client.pool_exists("none")))[0] == 404

    asyncio.run(scenario())


def test_a_pool_with_mounts_is_kept_and_its_nodes_say_that_nothing_is_mounted(emulator, kind) -> None:
    async def scenario() -> None:
        blob = m.AzureBlobFileSystemConfiguration(
            account_name="test",
            container_name="https://test.blob.core.windows.net:443/test-container",
            relative_mount_path="foo",
            account_key="fake_account_key",
        )
        mounts = [m.MountConfiguration(azure_blob_file_system_configuration=blob)]
        async with either_client(emulator, kind) as client:
            await get(client.create_pool(pool("mounts", mount_configuration=mounts, target_dedicated_nodes=1)))
            stored = await get(client.get_pool("mounts"))
            assert stored.mount_configuration[0].azure_blob_file_system_configuration.relative_mount_path == "foo"
            assert stored.mount_configuration[0].azure_blob_file_system_configuration.account_key is None
            assert stored.mount_configuration[0].nfs_mount_configuration is None
            nodes = emulator.advance_until(lambda: unusable(emulator, "mounts"))
            assert nodes[0].errors[0].message == "The emulator mounts no file systems"

    asyncio.run(scenario())


def unusable(emulator: Emulator, pool_id: str) -> list[m.BatchNode] | None:
    with emulator.client() as client:
        nodes = list(client.list_nodes(pool_id))
        return nodes if nodes and all(node.state == "unusable" for node in nodes) else None


def test_changes_of_a_pool(emulator, kind) -> None:
    async def scenario() -> None:
        start = m.BatchStartTask(
            command_line="/bin/true",
            resource_files=[m.ResourceFile(http_url="https://contoso.com", file_path="filename.txt")],
            environment_settings=[m.EnvironmentSetting(name="ENV_VAR", value="env_value")],
            user_identity=m.UserIdentity(auto_user=m.AutoUserSpecification(elevation_level=m.ElevationLevel.ADMIN)),
        )
        foo = [m.BatchMetadataItem(name="foo", value="bar")]
        foo2 = [m.BatchMetadataItem(name="foo2", value="bar2")]
        async with either_client(emulator, kind) as client:
            await get(client.create_pool(pool("p", start_task=start)))
            assert (await get(client.get_pool("p"))).start_task.command_line == "/bin/true"
            replaced = m.BatchPoolReplaceOptions(application_package_references=[], metadata=foo)
            assert await get(client.replace_pool_properties("p", replaced)) is None
            assert await get(client.update_pool("p", m.BatchPoolUpdateOptions(metadata=foo2))) is None
            assert await get(client.pool_exists("p"))
            found = await get(client.get_pool("p"))
            assert (found.state, found.allocation_state, found.vm_size) == ("active", "steady", VM_SIZE)
            assert found.start_task is None
            assert [(item.name, item.value) for item in found.metadata] == [("foo2", "bar2")]
            chosen = await get(client.get_pool("p", select=["id,state"], expand=["stats"]))
            assert (chosen.id, chosen.state, chosen.allocation_state, chosen.vm_size) == ("p", "active", None, None)
            again = m.BatchPoolUpdateOptions(metadata=foo)
            same = {"match_condition": MatchConditions.IfNotModified}
            await get(client.update_pool("p", again, etag=found.etag, **same))
            stale = await error_of(lambda: client.update_pool("p", again, etag=found.etag, **same))
            assert stale == (412, "ConditionNotMet")
            await get(client.begin_delete_pool("p"))
            assert (await get(client.get_pool("p"))).state == "deleting"
            emulator.advance("PT1M")
            assert await error_of(lambda: client.get_pool("p")) == (404, "PoolNotFound")

    asyncio.run(scenario())


def test_scaling(emulator, kind) -> None:
    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            await get(client.create_pool(pool("p")))
            await get(
                client.enable_pool_auto_scale(
                    "p",
                    m.BatchPoolEnableAutoScaleOptions(
                        auto_scale_formula="$TargetDedicatedNodes=2",
                        auto_scale_evaluation_interval=dt.timedelta(minutes=6),
                    ),
                )
            )
            wanted = m.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes=3")
            run = await get(client.evaluate_pool_auto_scale("p", wanted))
            assert run.results == ("$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue")
            assert (await get(client.get_pool("p"))).auto_scale_evaluation_interval == dt.timedelta(minutes=6)
            assert await get(client.disable_pool_auto_scale("p")) is None
            assert (await get(client.get_pool("p"))).allocation_state == "steady"
            sizes = m.BatchPoolResizeOptions(target_dedicated_nodes=0, target_low_priority_nodes=2)
            await get(client.begin_resize_pool("p", sizes))
            assert (await get(client.get_pool("p"))).allocation_state == "resizing"
            await get(client.begin_stop_pool_resize("p"))
            assert (await get(client.get_pool("p"))).allocation_state == "stopping"
            emulator.advance("PT2M")
            assert (await get(client.get_pool("p"))).allocation_state == "steady"
            assert await get(client.list_pool_usage_metrics()) == []

    asyncio.run(scenario())


def test_network_and_extensions(emulator, kind) -> None:
    rule = m.NetworkSecurityGroupRule(priority=150, access="allow", source_address_prefix="*")
    nat = m.BatchInboundNatPool(
        name="TestEndpointConfig",
        protocol=m.InboundEndpointProtocol.UDP,
        backend_port=64444,
        frontend_port_range_start=60000,
        frontend_port_range_end=61000,
        network_security_group_rules=[rule],
    )
    network = m.NetworkConfiguration(endpoint_configuration=m.BatchPoolEndpointConfiguration(inbound_nat_pools=[nat]))
    extension = m.VMExtension(
        name="secretext",
        type="KeyVaultForLinux",
        publisher="Microsoft.Azure.KeyVault",
        type_handler_version="1.0",
        auto_upgrade_minor_version=True,
    )
    machine = m.VirtualMachineConfiguration({**MACHINE, "extensions": [extension]})

    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            wanted = pool(
                "p", target_dedicated_nodes=1, network_configuration=network, virtual_machine_configuration=machine
            )
            await get(client.create_pool(wanted))
            node = idle_nodes(emulator, "p", 1)[0]
            assert node.endpoint_configuration is not None
            endpoints = node.endpoint_configuration.inbound_endpoints
            assert [(each.name, each.protocol) for each in endpoints] == [
                ("TestEndpointConfig.0", "udp"),
                ("SSHRule.0", "tcp"),
            ]
            names = [each.vm_extension.name for each in await get(client.list_node_extensions("p", node.id))]
            assert names == ["secretext", "batchNodeExtension"]
            found = await get(client.get_node_extension("p", node.id, "batchNodeExtension"))
            assert (found.vm_extension.publisher, found.vm_extension.type) == (
                "Microsoft.Azure.Extensions",
                "CustomScript",
            )
            found = await get(client.get_node_extension("p", node.id, "secretext"))
            assert found.provisioning_state == "Failed"
            assert "does not run" in found.instance_view.statuses[0].message
            missing = await error_of(lambda: client.get_node_extension("p", node.id, "none"))
            assert missing[0] == 404

    asyncio.run(scenario())


def test_nodes(emulator, kind) -> None:
    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            await get(client.create_pool(pool("p", target_dedicated_nodes=2)))
            first, second = idle_nodes(emulator, "p", 2)
            node = await get(client.get_node("p", first.id))
            assert (node.scheduling_state, node.is_dedicated) == ("enabled", True)
            assert node.node_agent_info.version is not None
            logs = m.UploadBatchServiceLogsOptions(
                container_url="http://127.0.0.1:1/computecontainer", start_time=dt.datetime.now(dt.UTC)
            )
            uploaded = await get(client.upload_node_logs("p", first.id, logs))
            assert uploaded.number_of_files_uploaded > 0
            assert f"/p/{first.id}/" in uploaded.virtual_directory_name
            disable = m.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="terminate")
            assert await get(client.disable_node_scheduling("p", first.id, disable)) is None
            assert (await get(client.get_node("p", first.id))).scheduling_state == "disabled"
            twice = await error_of(lambda: client.disable_node_scheduling("p", first.id, disable))
            assert twice == (409, "NodeAlreadyInTargetSchedulingState")
            assert await get(client.enable_node_scheduling("p", first.id)) is None
            # The SDK has a model for this but does not export it, and cannot do without a body.
            reboot = m._models.BatchNodeRebootOptions(node_reboot_kind="terminate")
            await get(client.begin_reboot_node("p", first.id, reboot))
            assert (await get(client.get_node("p", first.id))).state == "rebooting"
            await get(client.begin_remove_nodes("p", m.BatchNodeRemoveOptions(node_ids=[first.id, second.id])))
            emulator.advance("PT3M")
            assert await get(client.list_nodes("p")) == []
            assert (await get(client.get_pool("p"))).current_dedicated_nodes == 0
            assert await error_of(lambda: client.get_node("p", first.id)) == (404, "NodeNotFound")

    asyncio.run(scenario())


def test_users_and_logins(emulator, kind) -> None:
    async def scenario() -> None:
        async with either_client(emulator, kind) as client:
            await get(client.create_pool(pool("p", target_dedicated_nodes=1)))
            node = idle_nodes(emulator, "p", 1)[0].id
            user = m.BatchNodeUserCreateOptions(name="BatchPythonSDKUser", password="secret", is_admin=False)
            assert await get(client.create_node_user("p", node, user)) is None
            assert await error_of(lambda: client.create_node_user("p", node, user)) == (409, "NodeUserExists")
            changed = m.BatchNodeUserReplaceOptions(password="another")
            assert await get(client.replace_node_user("p", node, "BatchPythonSDKUser", changed)) is None
            settings = await get(client.get_node_remote_login_settings("p", node))
            assert settings.remote_login_ip_address is not None
            assert settings.remote_login_port is not None
            assert await get(client.delete_node_user("p", node, "BatchPythonSDKUser")) is None
            gone = await error_of(lambda: client.delete_node_user("p", node, "BatchPythonSDKUser"))
            assert gone == (404, "NodeUserNotFound")

    asyncio.run(scenario())
