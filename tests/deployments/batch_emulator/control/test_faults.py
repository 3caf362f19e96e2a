"""Faults: at which opportunities they are injected, how often, and that a seed repeats them."""

import pytest
from pydantic import ValidationError

from azure_batch_emulator.control.faults import Fault, Faults


def injected(seed: int, calls: list[str], rate: float = 0.3) -> list[str]:
    faults = Faults(seed)
    faults.add(Fault(kind="throttled", rate=rate))
    return [call for call in calls if faults.draw("throttled", operation="get_task", task=call)]


CALLS = [f"t{number % 7}" for number in range(300)]


def test_a_seed_repeats_its_faults_and_another_has_others() -> None:
    assert injected(1, CALLS) == injected(1, CALLS)
    assert injected(1, CALLS) != injected(2, CALLS)
    assert 60 < len(injected(1, CALLS)) < 120


def test_the_order_of_calls_about_different_things_does_not_matter() -> None:
    assert sorted(injected(1, sorted(CALLS))) == sorted(injected(1, CALLS))


def test_patterns_choose_and_times_limits() -> None:
    faults = Faults()
    faults.add(Fault(kind="node_preempted", pool="spot-*", times=2))
    assert faults.draw("node_preempted", pool="dedicated", node="n") is None
    assert faults.draw("node_preempted", node="n") is None
    assert faults.draw("node_failed", pool="spot-1", node="n") is None
    assert [bool(faults.draw("node_preempted", pool="spot-1", node="n")) for _ in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert faults.listed()[0]["injected"] == 2
    faults.clear()
    assert faults.listed() == []


def test_the_first_rule_that_is_due_wins() -> None:
    faults = Faults()
    faults.set([Fault(kind="busy", rate=0.0, message="never"), Fault(kind="busy", message="always")])
    drawn = faults.draw("busy", operation="get_job")
    assert drawn is not None
    assert drawn.message == "always"


@pytest.mark.parametrize(
    "rule", [{"kind": "slow"}, {"kind": "tired"}, {"kind": "busy", "rate": 2}, {"kind": "busy", "x": 1}]
)
def test_a_rule_that_makes_no_sense_is_refused(rule) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(rule)
