"""Conformance: a claim is one run's, until it ends or is not heard of any more."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from tasks.errors import TransientError
from tasks.lake.claim import Claims
from tasks.lake.store import Store

FOLDER = "landing/_claims"
LEASE = timedelta(minutes=2)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2024, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def claims(store: Store, clock: Clock) -> Claims:
    return Claims(store, FOLDER, LEASE, clock)


def test_one_run_has_it_and_when_that_ends_another(claims: Claims, store: Store) -> None:
    with claims.held("a", "one") as first, claims.held("a", "two") as second, claims.held("b", "two") as other:
        assert (first, second, other) == (True, False, True)
    assert list(store.entries(f"{FOLDER}/")) == []
    with claims.held("a", "two") as mine:
        assert mine


def test_an_error_ends_it_too(claims: Claims) -> None:
    with pytest.raises(ZeroDivisionError), claims.held("a", "one"):
        raise ZeroDivisionError
    with claims.held("a", "two") as mine:
        assert mine


def test_a_run_that_is_not_heard_of_loses_it_and_takes_nothing_from_the_next(claims: Claims, clock: Clock) -> None:
    with claims.held("a", "slow") as slow:
        clock.now += LEASE + timedelta(seconds=1)
        with claims.held("a", "two") as two:
            assert (slow, two) == (True, True)
            with claims.held("a", "slow too") as third:
                assert not third
    with claims.held("a", "two"), claims.held("a", "three") as third:
        assert not third


def test_a_slow_run_that_ends_leaves_the_claim_to_the_one_that_has_it(claims: Claims, clock: Clock) -> None:
    slow = claims.held("a", "slow")
    slow.__enter__()
    clock.now += LEASE + timedelta(seconds=1)
    with claims.held("a", "two"):
        slow.__exit__(None, None, None)
        with claims.held("a", "three") as third:
            assert not third


def test_a_run_that_was_started_again_does_not_wait_for_itself(claims: Claims) -> None:
    killed = claims.held("a", "one")
    killed.__enter__()
    with claims.held("a", "one") as again, claims.held("a", "two") as other:
        assert (again, other) == (True, False)
    killed.__exit__(None, None, None)


def test_of_many_at_once_one_has_it(claims: Claims) -> None:
    together, ended = Barrier(8, timeout=60), Barrier(8, timeout=60)
    won: list[bool] = []

    def run(name: str) -> None:
        together.wait()
        with claims.held("a", name) as mine:
            won.append(mine)
            ended.wait()

    threads = [Thread(target=run, args=(f"run {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


class Listened:
    """A store that lets the test know of swaps, and may refuse them."""

    def __init__(self, store: Store, heard: Callable[[], None]) -> None:
        self._store, self._heard = store, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def swap(self, path: str, data: bytes, etag: str | None) -> bool:
        self._heard()
        return self._store.swap(path, data, etag)


def test_it_is_renewed_for_as_long_as_it_is_held(store: Store, clock: Clock) -> None:
    """Also after the store could not be reached for once. Renewals are every quarter of the lease."""
    renewed = Barrier(2, timeout=60)
    count = 0

    def heard() -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise TransientError("The store is busy.")
        if count == 3:
            clock.now += timedelta(seconds=1)
            renewed.wait()

    listened: Any = Listened(store, heard)
    short = timedelta(seconds=0.4)
    with Claims(listened, FOLDER, short, clock).held("a", "one"):
        renewed.wait()
        (entry,) = store.entries(f"{FOLDER}/")
        before = store.read(entry.path)
    assert before
    assert count >= 3


def test_claims_of_runs_that_died_long_ago_are_forgotten(claims: Claims, clock: Clock, store: Store) -> None:
    clock.now = datetime.now(UTC)  # the store has its own
    dead = claims.held("a", "dead")
    dead.__enter__()
    claims.forget_old()
    assert len(list(store.entries(f"{FOLDER}/"))) == 1
    clock.now += timedelta(days=2)
    claims.forget_old()
    assert list(store.entries(f"{FOLDER}/")) == []
    dead.__exit__(None, None, None)
