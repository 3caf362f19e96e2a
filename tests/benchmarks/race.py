"""What a benchmark measures, and how: contenders in turn, each in a fresh state, and the medians of several rounds.

The first round is not timed: it warms up, and its results have to agree."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Clock = Callable[[], float]


def _folder(folder: Path) -> Path:
    return folder


@dataclass(frozen=True)
class Contender:
    """`prepare` is not timed: before each repetition it gets a new empty folder, and gives what `run` is called on."""

    name: str
    run: Callable[[Any], Any]
    prepare: Callable[[Path], Any] = _folder


@dataclass(frozen=True)
class Target:
    """What is demanded of ours beside a peer. Made by `times_as_fast` and `at_most_times_as_long`."""

    times: float
    slower: bool

    def ratio(self, ours: float, peer: float) -> float:
        return ours / peer if self.slower else peer / ours

    def met(self, ratio: float) -> bool:
        return ratio <= self.times if self.slower else ratio >= self.times

    def __str__(self) -> str:
        return f"ours / peer ≤ {self.times:g}" if self.slower else f"peer / ours ≥ {self.times:g}"


def times_as_fast(times: float) -> Target:
    """Ours has to be so many times as fast as the peer."""
    return Target(times, slower=False)


def at_most_times_as_long(times: float) -> Target:
    """Ours may take so many times as long as the peer."""
    return Target(times, slower=True)


@dataclass(frozen=True)
class Race:
    """`agree(ours, peer)` fails by an assertion when two results are not the same."""

    title: str
    ours: Contender
    peers: Sequence[tuple[Contender, Target]]
    agree: Callable[[Any, Any], None]
    rounds: int = 5


@dataclass(frozen=True)
class Result:
    """Medians in seconds; the ratio is as the target counts it."""

    title: str
    peer: str
    ours_seconds: float
    peer_seconds: float
    target: Target

    @property
    def ratio(self) -> float:
        return self.target.ratio(self.ours_seconds, self.peer_seconds)

    @property
    def met(self) -> bool:
        return self.target.met(self.ratio)


def measure(race: Race, rounds: int | None = None, clock: Clock = time.perf_counter) -> list[Result]:
    """One result per peer. AssertionError when a peer's result is not ours."""
    check_agreement(race)
    contenders = [race.ours, *(peer for peer, _ in race.peers)]
    seconds: list[list[float]] = [[] for _ in contenders]
    for number in range(rounds or race.rounds):
        turns = list(enumerate(contenders))
        # There and back, so that nobody always comes after the same one and what that one leaves behind.
        for i, contender in turns if number % 2 == 0 else reversed(turns):
            seconds[i].append(_run(contender, clock)[0])
    ours, *others = (statistics.median(s) for s in seconds)
    return [
        Result(race.title, peer.name, ours, theirs, target)
        for (peer, target), theirs in zip(race.peers, others, strict=True)
    ]


def check_agreement(race: Race) -> None:
    """Runs each contender once. AssertionError when a peer's result is not ours."""
    _, ours = _run(race.ours, time.perf_counter)
    for peer, _ in race.peers:
        race.agree(ours, _run(peer, time.perf_counter)[1])


def _run(contender: Contender, clock: Clock) -> tuple[float, Any]:
    with TemporaryDirectory() as folder:
        state = contender.prepare(Path(folder))
        gc.collect()
        start = clock()
        result = contender.run(state)
        return clock() - start, result
