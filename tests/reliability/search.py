"""Searches the states of the model: in order of their distance from the first, or on long ways at random."""

import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.reliability.model import ATTEMPTS, OPEN, OVER, Mutant, Worker, World, successors

_AT_REST = OVER | {"suspended"}
_LONGEST = 80  # steps to a rest
_ENDLESS = ("starts", "completes", "goes on", "ends", "tries again")  # what processes and machines do of themselves
Rest = dict[World, World | None]  # what comes of a state, as far as it is known


def complaints(world: World, mutant: Mutant, known: Rest) -> Iterator[str]:
    """What must never be true of a state that can be reached."""
    if world.wrong:
        yield world.wrong
    if len(world.living) > 1 and not world.forced:
        yield "two tasks are alive"
    after = settled(world, mutant, known)
    yield from _complaints_at_rest(after) if after else ["it never comes to rest"]


def _complaints_at_rest(world: World) -> Iterator[str]:
    watched = {attempt for worker in world.workers for attempt in worker.watches}
    if len(world.living) > 1:
        yield "two tasks stay alive"
    if world.state in _AT_REST and world.living:
        yield f"{world.state}, and a task is alive"
    if world.state in _AT_REST and watched:
        yield f"{world.state}, and a slot is held"
    if world.state in OPEN and not world.executing:
        yield f"{world.state} for ever"
    if world.state == "scheduled" and world.attempt < ATTEMPTS:
        yield "in its queue for ever"
    if world.living and not watched and world.state in OPEN:
        yield "nobody watches its task"


def settled(world: World, mutant: Mutant, known: Rest) -> World | None:
    """What comes of a state when nobody does anything any more, nothing fails and time goes on; None if that ends not.

    Processes that execute the run go on for ever; one worker is started where none lives."""
    world = replace(world, surprises=0, wrong="", forced=False)
    if not any(worker.alive for worker in world.workers):
        world = world.with_worker(0, Worker())
    way = [world]
    while world not in known and len(way) < _LONGEST:
        following = (after for name, after in successors(world, mutant) if not name.endswith(_ENDLESS))
        world = replace(next(following, world), wrong="")
        if world == way[-1]:
            break
        way.append(world)
    rest = known.get(world, world if world == way[-1] and len(way) < _LONGEST else None)
    known.update(dict.fromkeys(way, rest))
    return rest


@dataclass(frozen=True)
class Found:
    """`story`: what happened, up to a state of which `complaint` is true. `depth`: of the longest story searched."""

    states: int
    depth: int
    complaint: str = ""
    story: tuple[str, ...] = ()


def search(mutant: Mutant = "", *, seconds: float = 60.0, surprises: int = 3, states: int | None = None) -> Found:
    """All states in order of their distance from the first, until one is wrong, all were seen, or the time is over."""
    deadline = time.monotonic() + seconds
    first = World(surprises=surprises)
    came: dict[World, tuple[World, str] | None] = {first: None}
    depths = {first: 0}
    queue = deque([first])
    known: Rest = {}
    while queue and time.monotonic() < deadline and (states is None or len(came) < states):
        world = queue.popleft()
        if complaint := next(complaints(world, mutant, known), ""):
            return Found(len(came), depths[world], complaint, _story(came, world))
        for name, after in successors(world, mutant):
            if after not in came:
                came[after] = world, name
                depths[after] = depths[world] + 1
                queue.append(after)
    return Found(len(came), max(depths.values()))


def walk(mutant: Mutant = "", *, seed: int, steps: int = 80, surprises: int = 8) -> Found:
    """One long way at random, with more surprises than can be searched."""
    dice = random.Random(seed)
    world, known = World(surprises=surprises), Rest()
    story: list[str] = []
    for depth in range(steps):
        if complaint := next(complaints(world, mutant, known), ""):
            return Found(depth, depth, complaint, tuple(story))
        following = list(successors(world, mutant))
        if not following:
            break
        name, world = dice.choice(following)
        story.append(name)
    return Found(len(story), len(story))


def _story(came: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    story: list[str] = []
    while (step := came[world]) is not None:
        world, name = step
        story.append(name)
    return tuple(reversed(story))
