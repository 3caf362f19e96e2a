"""The fixtures for pytest: an account of a test's own, its clock and faults; loading them costs nothing."""

import subprocess
import sys

import pytest
from azure.core.exceptions import HttpResponseError

from azure_batch_emulator.running_emulator import Controls, Emulator
from tests.deployments.batch_emulator.resources import make_pool

_LOADED = """
import sys, pytest, typing, collections.abc
before = set(sys.modules)
import azure_batch_emulator.pytest_plugin
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("name", ["first", "second"])
def test_each_test_has_an_account_of_its_own(batch_account: Emulator, name: str) -> None:
    with batch_account.client() as client:
        make_pool(client, name)
        assert [pool.id for pool in client.list_pools()] == [name]


@pytest.mark.batch_emulator(speed=0)
def test_time_and_faults_are_the_test_s(batch_account: Emulator, batch_controls: Controls) -> None:
    with batch_account.client(retry_total=0) as client:
        make_pool(client, "p", nodes=1)
        assert [node.state for node in client.list_nodes("p")] in ([], ["starting"])
        batch_controls.advance("PT10M")
        assert [node.state for node in client.list_nodes("p")] == ["idle"]
        batch_controls.inject("throttled", operation="list_nodes")
        with pytest.raises(HttpResponseError, match=r"429|TooManyRequests"):
            list(client.list_nodes("p"))
        batch_controls.clear()
        assert len(list(client.list_nodes("p"))) == 1


@pytest.mark.batch_emulator(pools=1)
class TestWhatAMarkerSays:
    @pytest.mark.batch_emulator(account="mine")
    def test_adds_to_what_one_further_away_says(self, batch_account: Emulator, batch_controls: Controls) -> None:
        assert (batch_account.account, batch_controls.admin("quotas")["pools"]) == ("mine", 1)


def test_a_fault_that_there_is_not_is_refused_in_words(batch_controls: Controls) -> None:
    with pytest.raises(ValueError, match=r"(?s)refused POST faults: 400 .*'node_preempted'"):
        batch_controls.inject("node_eaten")


def test_who_uses_no_fixture_pays_for_none() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["azure_batch_emulator", "azure_batch_emulator.pytest_plugin"]
