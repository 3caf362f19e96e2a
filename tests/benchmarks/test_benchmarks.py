"""Each benchmark still runs, and ours and the peers come to the same. How fast, only a quiet machine can tell."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.benchmarks import BENCHMARKS, MEASUREMENTS
from tests.benchmarks.__main__ import open_race, report, take
from tests.benchmarks.race import (
    Contender,
    Race,
    Target,
    at_most_times_as_long,
    check_agreement,
    measure,
    times_as_fast,
)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_contenders_agree(name):
    with open_race(name, tiny=True) as race:
        check_agreement(race)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_targets_are_met_in_small(name):
    shown = io.StringIO()
    assert take(name, Console(file=shown, width=120), tiny=True), shown.getvalue()


class Watch:
    """A clock that stands still while nobody runs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ran: list[str] = []

    def contender(self, name: str, *seconds: float) -> Contender:
        """Takes these seconds, one repetition after the other."""
        laps = iter(seconds)

        def run(folder: Path) -> str:
            assert not list(folder.iterdir())
            (folder / "left behind").touch()
            self.ran.append(name)
            self.seconds += next(laps)
            return "result"

        return Contender(name, run)

    def race(self, target: Target) -> Race:
        ours = self.contender("ours", 50, 2, 1, 9)
        return Race("race", ours, [(self.contender("peer", 50, 8, 90, 7), target)], agree=_same, rounds=3)


def _same(ours: str, peer: str) -> None:
    assert ours == peer


def test_medians_of_alternating_rounds_after_one_to_warm_up():
    watch = Watch()
    (result,) = measure(watch.race(times_as_fast(4)), clock=lambda: watch.seconds)
    assert (result.ours_seconds, result.peer_seconds, result.ratio) == (2, 8, 4)
    assert watch.ran == ["ours", "peer", "ours", "peer", "peer", "ours", "ours", "peer"]


@pytest.mark.parametrize(
    ("target", "ratio", "met"),
    [
        (times_as_fast(4), "4.00", True),
        (times_as_fast(4.1), "4.00", False),
        (at_most_times_as_long(0.25), "0.25", True),
        (at_most_times_as_long(0.2), "0.25", False),
    ],
)
def test_the_status_says_whether_targets_are_met(target, ratio, met):
    watch = Watch()
    results = measure(watch.race(target), clock=lambda: watch.seconds)
    shown = io.StringIO()
    assert report(results, Console(file=shown, width=120)) == (0 if met else 1)
    assert ratio in shown.getvalue()
    assert ("met" if met else "missed") in shown.getvalue()


def test_results_that_differ_end_a_race():
    race = Race("race", Contender("a", lambda _: 1), [(Contender("b", lambda _: 2), times_as_fast(1))], agree=_same)
    with pytest.raises(AssertionError):
        measure(race)
