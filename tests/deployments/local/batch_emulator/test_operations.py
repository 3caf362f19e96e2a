"""The list of operations is complete, and what is not supported is refused with an error of the service."""

import pytest

from deployments.local.batch_emulator.errors import ERRORS
from deployments.local.batch_emulator.operations import OPERATIONS, unsupported
from deployments.local.batch_emulator.routes import ROUTES
from tests.deployments.local.batch_emulator.emulated import Emulated, on_emulator


def test_every_route_has_its_operation() -> None:
    assert set(OPERATIONS) == {route.operation for route in ROUTES}
    assert len(OPERATIONS) == 72


@pytest.mark.parametrize("operation", list(unsupported.OPERATIONS))
def test_what_is_not_supported_says_so(operation: str) -> None:
    code, reason = unsupported.OPERATIONS[operation]
    assert code in ERRORS
    assert "emulator" in reason.lower()

    @on_emulator
    async def scenario(batch: Emulated) -> None:
        await batch.pool()
        path = {"poolId": "p", "nodeId": batch.nodes()[0]["id"], "applicationId": "a", "extensionName": "e"}
        assert batch.refused(operation, **path) == code

    scenario()


@on_emulator
async def test_the_account_as_a_whole(batch: Emulated) -> None:
    images = batch.do("list_supported_images")
    assert {image["osType"] for image in images} == {"linux", "windows"}
    assert batch.do("list_applications") == []
    assert batch.do("list_pool_usage_metrics") == []
    await batch.pool("one", wait=0)
    assert [counts["poolId"] for counts in batch.do("list_pool_node_counts")] == ["one"]
