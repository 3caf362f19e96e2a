"""A model of one flow run: Prefect's server, Batch, two workers, the launcher, a user, failures, and time.

What the workers do is the product's own `decide`; what they see of the world is what the product's observer, reconciler
and submission ask for, each call a step of its own, between any two of which anything else may happen. The states that
can be reached are searched, each once, and every one of them is held to the invariants of `search.complaints`.

Mutants put back what used to be decided, so that the search is known to find it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from prefect_azure_batch.decision import Do, Patience, Run, Task, decide

ATTEMPTS, WORKERS = 3, 2
PATIENCE = Patience(grace=10, silent_exit=10, submission=10, bundle=10, outputs=10)
LONG = 11.0  # seconds: longer than any patience
Mutant = Literal[
    "",
    "attempts are not told apart",
    "a final run's task goes on",
    "a deleted run's task waits on",
    "an orphan is where it was",
    "a retry in the process is left alone",
    "the launcher does not ask for its attempt",
    "slots are counted",
    "earlier tasks are left",
]
MUTANTS: tuple[Mutant, ...] = Mutant.__args__[1:]  # type: ignore[attr-defined]
_WITHOUT_STRAYS = frozenset({"a final run's task goes on", "a deleted run's task waits on", "earlier tasks are left"})
OPEN = frozenset({"pending", "running", "cancelling", "retrying"})
OVER = frozenset({"final", "deleted"})


@dataclass(frozen=True)
class BatchTask:
    """`own`: the process that Batch knows of executes the run. `ghosts`: those on nodes that it has lost do."""

    phase: Literal["none", "waiting", "running", "ended"] = "none"
    succeeded: bool = False
    elsewhere: bool = False  # ended with the launcher's code 80
    late: bool = False  # ended long ago
    own: bool = False
    ghosts: int = 0
    deleted: bool = False  # by somebody; it may have been made again

    @property
    def alive(self) -> bool:
        return self.phase in {"waiting", "running"}

    def ended(self, *, succeeded: bool = False, elsewhere: bool = False) -> "BatchTask":
        return replace(self, phase="ended", succeeded=succeeded, elsewhere=elsewhere, own=False, late=False)


@dataclass(frozen=True)
class Worker:
    """`step` of a submission, with its attempt; `todo` was decided by what was seen, and is done one by one."""

    alive: bool = True
    watches: frozenset[int] = frozenset()
    step: tuple[str, int] | None = None
    todo: tuple[tuple[Do | str, int], ...] = ()
    counted: bool = False  # a slot, where they are counted

    @property
    def in_flight(self) -> bool:
        return bool(self.watches or self.step)


@dataclass(frozen=True)
class World:
    """`state` of the run; `late`: so long in it that all patience is over. `place`: the attempt that is known of it."""

    state: str = "scheduled"
    late: bool = False
    attempt: int = 0
    place: int = 0
    owner: int = -1
    begun: bool = False  # the launcher has marked the run
    tasks: tuple[BatchTask, ...] = (BatchTask(),) * ATTEMPTS
    workers: tuple[Worker, ...] = (Worker(),) * WORKERS
    forced: bool = False  # by a user, who need not know that a process goes on: the next poll ends the older task
    surprises: int = 3  # that users and failures have left
    wrong: str = ""

    def run(self, attempt: int) -> Run:
        status = {"retrying": "scheduled"}.get(self.state, self.state)
        return Run(
            status,  # type: ignore[arg-type]
            max(attempt, self.place, 1),
            LONG if self.late else 0.0,
            retries_in_process=self.state == "retrying",
            placed=bool(self.place) or self.begun,
        )

    def seen(self, attempts: "frozenset[int] | range") -> dict[int, Task]:
        """The tasks of these attempts, as Batch tells of them."""
        found = {attempt: self.tasks[attempt - 1] for attempt in attempts}
        return {
            attempt: Task(
                task.phase if task.alive else "ended",  # type: ignore[arg-type] # one that is gone has ended
                LONG if task.late else 0.0,
                task.succeeded,
                task.elsewhere and any(other.ghosts for other in self.tasks),
            )
            for attempt, task in found.items()
        }

    def to(self, state: str) -> "World":
        return replace(self, state=state, late=False)

    def with_task(self, attempt: int, task: BatchTask) -> "World":
        tasks = (*self.tasks[: attempt - 1], task, *self.tasks[attempt:])
        return replace(self, tasks=tasks, begun=self.begun or task.own)

    def with_worker(self, number: int, worker: Worker) -> "World":
        return replace(self, workers=(*self.workers[:number], worker, *self.workers[number + 1 :]))

    @property
    def executing(self) -> int:
        return sum(task.own + task.ghosts for task in self.tasks)

    @property
    def living(self) -> list[int]:
        return [number for number, task in enumerate(self.tasks, 1) if task.alive]


def successors(world: World, mutant: Mutant = "") -> Iterator[tuple[str, World]]:
    """What may happen next, by a name for people, and the world after it."""
    for number in range(WORKERS):
        yield from _of_worker(world, number, mutant)
    for attempt in range(1, ATTEMPTS + 1):
        yield from _of_task(world, attempt, mutant)
    if not world.late or any(task.phase == "ended" and not task.late for task in world.tasks):
        tasks = tuple(replace(task, late=True) if task.phase == "ended" else task for task in world.tasks)
        yield "time passes", replace(world, late=True, tasks=tasks)
    if world.surprises:
        less = replace(world, surprises=world.surprises - 1)
        yield from _of_users(less)
        yield from _failures(less)


def _of_users(world: World) -> Iterator[tuple[str, World]]:
    if world.state in {"pending", "running", "retrying"}:
        yield "a user cancels", world.to("cancelling")
    if world.state not in OVER:
        yield "a user deletes", world.to("deleted")
    if world.state in OPEN:
        yield "a state is forced", replace(world.to("final"), forced=True)
        yield "it is scheduled again", replace(world.to("scheduled"), forced=True)
    if world.state == "running":
        yield "it suspends itself", world.to("suspended")
    if world.state == "final":
        yield "a user retries", replace(world.to("scheduled"), forced=True)
    if world.state == "suspended":
        yield "a user resumes", world.to("scheduled")


def _failures(world: World) -> Iterator[tuple[str, World]]:
    for number, worker in enumerate(world.workers):
        if worker.alive:
            yield f"worker {number} dies", world.with_worker(number, Worker(alive=False))
        if worker.step and worker.step[0] == "ends the earlier":
            lost = replace(worker, step=("creates the task", worker.step[1]))
            yield f"worker {number} gets no answer", world.with_worker(number, lost)
    for attempt, task in enumerate(world.tasks, 1):
        if task.phase == "running":
            yield f"node of {attempt} is lost", world.with_task(attempt, replace(task, phase="waiting", own=False))
            if task.own:
                ghost = replace(task, phase="waiting", own=False, ghosts=task.ghosts + 1)
                yield f"node of {attempt} is out of sight", world.with_task(attempt, ghost)
            yield f"task {attempt} is killed", world.with_task(attempt, task.ended())
        if task.phase != "none" and all(worker.step is None for worker in world.workers):
            yield f"task {attempt} is deleted", world.with_task(attempt, BatchTask(ghosts=task.ghosts, deleted=True))


def _of_task(world: World, attempt: int, mutant: Mutant) -> Iterator[tuple[str, World]]:
    task = world.tasks[attempt - 1]
    if task.phase == "waiting":
        yield f"task {attempt} is started", world.with_task(attempt, replace(task, phase="running"))
    if task.phase == "running" and not task.own:
        yield from _launched(world, attempt, task, mutant)
    if task.own or task.ghosts:
        yield from _executed(world, attempt, task)


def _launched(world: World, attempt: int, task: BatchTask, mutant: Mutant) -> Iterator[tuple[str, World]]:
    """What the launcher decides, as its module says."""
    name = f"launcher {attempt}"
    asks = mutant != "the launcher does not ask for its attempt"
    if world.state == "cancelling":
        yield name, world.to("final").with_task(attempt, task.ended(succeeded=True))
    elif world.state in {*OVER, "suspended", "scheduled"} or (asks and attempt < world.attempt):
        yield name, world.with_task(attempt, task.ended(succeeded=True))
    elif world.state == "pending":
        if not task.ghosts:  # else it waits until that one says Running, or is silent
            others = any(other.ghosts for other in world.tasks) and not world.forced
            wrong = "executed twice at once" if others else ""
            wrong = "an earlier attempt is executed" if attempt < world.attempt else wrong
            yield name, replace(world.with_task(attempt, replace(task, own=True)), wrong=wrong)
    elif any(other.ghosts or (other.own and other is not task) for other in world.tasks):
        yield name, world.with_task(attempt, task.ended(elsewhere=True))
    else:
        yield name, world.with_task(attempt, replace(task, own=True))


def _executed(world: World, attempt: int, task: BatchTask) -> Iterator[tuple[str, World]]:
    """What the process of the flow does."""
    gone = replace(task, ghosts=task.ghosts - 1) if task.ghosts else task.ended(succeeded=True)
    if world.state == "pending":
        yield f"{attempt} says Running", world.to("running")
    if world.state == "running":
        yield f"{attempt} completes", world.to("final").with_task(attempt, gone)
        yield f"{attempt} says that it has ended, and goes on", world.to("final")
        if world.surprises:
            yield f"{attempt} waits for its retry", replace(world, surprises=world.surprises - 1).to("retrying")
            back = replace(world, surprises=world.surprises - 1).to("scheduled")
            yield f"{attempt} gives itself back", back.with_task(attempt, gone)
    if world.state == "retrying":
        yield f"{attempt} tries again", world.to("running")
    if world.state in {"cancelling", *OVER, "suspended"}:
        yield f"{attempt} ends", world.with_task(attempt, gone)


def _of_worker(world: World, number: int, mutant: Mutant) -> Iterator[tuple[str, World]]:
    worker = world.workers[number]
    name = f"worker {number}"
    if not worker.alive:
        yield f"{name} starts", world.with_worker(number, Worker())
        return
    if worker.todo:
        yield f"{name} does {_told(worker.todo[0])}", _carry_out(world, number)
        return
    if worker.step:
        yield f"{name} {worker.step[0]}", _step(world, number, worker.step, mutant)
    elif world.state == "scheduled" and world.attempt < ATTEMPTS:
        wrong = "a slot is held twice, or by nobody" if mutant == "slots are counted" and worker.counted else ""
        taken = replace(world.to("pending"), attempt=world.attempt + 1, owner=number, wrong=wrong)
        yield f"{name} takes it", taken.with_worker(number, replace(worker, step=("counts", 0), counted=True))
    if worker.watches and (todo := _observe(world, worker, mutant)):
        yield f"{name} polls", world.with_worker(number, replace(worker, todo=todo))
    if not worker.in_flight and (todo := _reconcile(world, number, mutant)):
        yield f"{name} reconciles", world.with_worker(number, replace(worker, todo=todo))
    if strays := _strays(world, mutant):
        yield f"{name} looks for strays", world.with_worker(number, replace(worker, todo=strays))


def _step(world: World, number: int, step: tuple[str, int], mutant: Mutant) -> World:
    """A submission, call by call."""
    worker = world.workers[number]
    what, attempt = step

    def then(after: World, *following: object) -> World:
        next_step = (str(following[0]), int(str(following[1]))) if following else None
        return after.with_worker(number, replace(after.workers[number], step=next_step))

    if what == "counts":
        over = world.state in {*OVER, "suspended", "scheduled"}
        return then(world) if over else then(world, "ends the earlier", max(1, world.attempt))
    if what == "ends the earlier":
        if mutant != "earlier tasks are left":
            for earlier in world.living:
                if earlier < attempt:
                    world = world.with_task(earlier, world.tasks[earlier - 1].ended())
        return then(world, "creates the task", attempt)
    if what == "creates the task":
        task = world.tasks[attempt - 1]
        if world.state == "cancelling":
            return then(world.to("final"))
        created = world.with_task(attempt, replace(task, phase="waiting")) if task.phase == "none" else world
        return then(created, "watches", attempt)
    watching = replace(worker, watches=worker.watches | {attempt}, step=None)
    return replace(world.with_worker(number, watching), place=attempt)


def _decide(run: Run, tasks: dict[int, Task], mutant: Mutant, *, abandoned: bool = False) -> list[tuple[Do, int]]:
    """As decided, or as it used to be."""
    if mutant == "attempts are not told apart":
        run = replace(run, attempt=1)
    found = [tuple(action) for action in decide(run, tasks, PATIENCE, abandoned=abandoned)]
    if mutant == "a final run's task goes on" and run.status == "final":
        found = [(do, attempt) for do, attempt in found if do is not Do.END]
    if mutant == "a deleted run's task waits on" and run.status == "deleted":
        found = [(do, attempt) for do, attempt in found if do is not Do.END]
    if mutant == "a retry in the process is left alone" and run.retries_in_process:
        found = [(do, attempt) for do, attempt in found if do not in {Do.CRASH, Do.HAND_OUT}]
    return found  # type: ignore[return-value]


def _observe(world: World, worker: Worker, mutant: Mutant) -> tuple[tuple[Do | str, int], ...]:
    known = world.seen(worker.watches)
    found = _decide(world.run(max(worker.watches)), known, mutant)
    if any(do in {Do.CRASH, Do.HAND_OUT} for do, _ in found):
        found = _decide(world.run(world.attempt), known, mutant)
    return tuple((do, attempt) for do, attempt in found if do is not Do.WATCH)


def _reconcile(world: World, number: int, mutant: Mutant) -> tuple[tuple[Do | str, int], ...]:
    others = [worker for other, worker in enumerate(world.workers) if other == world.owner and other != number]
    if world.state not in OPEN or any(worker.alive for worker in others):
        return ()
    run = world.run(world.place if mutant == "an orphan is where it was" and world.place else world.attempt)
    if mutant == "an orphan is where it was" and world.place:
        run = replace(run, attempt=world.place)
    there = [attempt for attempt, task in enumerate(world.tasks, 1) if task.phase != "none"]
    tasks = world.seen(frozenset(there))
    todo: list[tuple[Do | str, int]] = []
    for do, attempt in _decide(run, tasks, mutant, abandoned=True):
        if attempt < run.attempt:
            todo += [(do, attempt)] * (do is Do.END)
        elif attempt in tasks:
            todo.append(("adopts", attempt))
            break
        elif do is not Do.WATCH:
            todo.append((do, attempt))
    return tuple(todo)


def _strays(world: World, mutant: Mutant) -> tuple[tuple[Do | str, int], ...]:
    living = world.living
    if not living or mutant in _WITHOUT_STRAYS:
        return ()
    tasks = {attempt: Task("running") for attempt in living}
    return tuple(action for action in _decide(world.run(max(living)), tasks, mutant) if action[0] is Do.END)


def _carry_out(world: World, number: int) -> World:
    worker = world.workers[number]
    (do, attempt), *rest = worker.todo
    worker = replace(worker, todo=tuple(rest))
    world = world.with_worker(number, worker)
    task = world.tasks[attempt - 1]
    if do is Do.END and task.alive:
        world = world.with_task(attempt, task.ended())
    elif do is Do.CANCEL and world.state == "cancelling":
        world = world.to("final")
    # The server takes it whatever has happened since; where a later attempt has begun the run gets back what it had.
    elif do is Do.CRASH and world.state in OPEN and attempt >= world.attempt:
        world = replace(
            world.to("final"), wrong="crashed, and its task is alive" if task.alive and not task.deleted else ""
        )
    elif do is Do.HAND_OUT and world.state == "retrying":
        world = world.to("scheduled")
    elif do is Do.FORGET:
        world = world.with_worker(number, replace(worker, watches=worker.watches - {attempt}, counted=False))
    elif do == "adopts":
        adopted = world.with_worker(number, replace(worker, watches=worker.watches | {attempt}))
        world = replace(adopted, place=attempt)
    elif do is Do.SUBMIT and world.state == "pending":
        begun = replace(worker, step=("counts", 0), counted=True)
        world = replace(world.with_worker(number, begun), owner=number)
    return world


def _told(action: tuple[Do | str, int]) -> str:
    do, attempt = action
    return f"{do.name if isinstance(do, Do) else do} {attempt}"
