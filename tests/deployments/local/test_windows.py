"""What Windows lacks is refused in a sentence that names WSL. The platform is known by its name alone here."""

import sys
from pathlib import Path

import pytest

from azure_batch_emulator.control.clock import Clock
from azure_batch_emulator.execution.environment import AccountFacts
from azure_batch_emulator.execution.executor_choice import EXECUTORS, make_executor
from deployments.local.__main__ import main


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


def test_the_local_production_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--state", str(tmp_path / "state")]) == 1
    assert "needs processes that Windows does not have. Start it in WSL (`wsl --install`" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("name", EXECUTORS)
def test_the_emulator_runs_only_simulated_tasks(name: str) -> None:
    facts = AccountFacts("account", "http://127.0.0.1")
    if name == "simulated":
        assert make_executor(name, facts, Clock(), seed=0, storage_keys={}, auto_storage=None).name == "simulated"
        return
    with pytest.raises(ValueError, match=r"Start the emulator in WSL .* or with --executor simulated, which runs"):
        make_executor(name, facts, Clock(), seed=0, storage_keys={}, auto_storage=None)
