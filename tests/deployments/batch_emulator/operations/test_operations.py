"""The list of operations is complete, and what is not supported is refused with an error of the service."""

import pytest

from azure_batch_emulator.operations import OPERATIONS
from azure_batch_emulator.operations.checks import UNSUPPORTED, refuse_property
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.routes import ROUTES
from tests.deployments.batch_emulator.emulated import Emulated, on_emulator


def test_every_route_has_its_operation() -> None:
    assert set(OPERATIONS) == {route.operation for route in ROUTES}
    assert len(OPERATIONS) == 72


@pytest.mark.parametrize(("resource", "name"), [(kind, name) for kind in UNSUPPORTED for name in UNSUPPORTED[kind]])
def test_what_is_not_supported_says_so(resource: str, name: str) -> None:
    assert "emulator" in UNSUPPORTED[resource][name].lower()
    with pytest.raises(BatchError, match="UnsupportedProperty"):
        refuse_property(resource, {name: {"some": "value"}})


@on_emulator
async def test_applications_are_those_that_the_account_was_given(batch: Emulated) -> None:
    batch.account.applications = {"Blender": ("2.79", "3.6")}
    blender = {"id": "Blender", "displayName": "Blender", "versions": ["2.79", "3.6"]}
    assert batch.do("list_applications") == [blender]
    assert batch.do("get_application", applicationId="blender") == blender
    assert batch.refused("get_application", applicationId="maya") == "ApplicationNotFound"


@on_emulator
async def test_the_account_as_a_whole(batch: Emulated) -> None:
    images = batch.do("list_supported_images")
    assert {image["osType"] for image in images} == {"linux", "windows"}
    assert batch.do("list_applications") == []
    assert batch.do("list_pool_usage_metrics") == []
    await batch.pool("one", wait=0)
    assert [counts["poolId"] for counts in batch.do("list_pool_node_counts")] == ["one"]
