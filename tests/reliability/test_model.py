"""What the work pool decides, searched: every state of the model that can be reached within a surprise or two, and long
ways at random. What used to be decided is found to be wrong."""

import pytest

from tests.reliability.model import MUTANTS, Mutant
from tests.reliability.search import search, walk

MOST_SURPRISES = 3  # until a mutant is found
WALKS = 300


def test_no_state_is_wrong_that_one_surprise_leads_to() -> None:
    found = search(surprises=1, seconds=300)
    assert found.complaint == "", found.story
    assert found.states > 20_000


def test_nor_within_the_first_states_of_two() -> None:
    found = search(surprises=2, seconds=40)
    assert found.complaint == "", found.story
    assert found.depth > 8


@pytest.mark.parametrize("seed", range(0, WALKS, 50))
def test_nor_on_long_ways_with_many(seed: int) -> None:
    for way in range(seed, seed + 50):
        found = walk(seed=way)
        assert found.complaint == "", (way, found.story)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_what_used_to_be_decided_is_found(mutant: Mutant) -> None:
    complaints = (search(mutant, surprises=surprises, seconds=120).complaint for surprises in range(MOST_SURPRISES))
    assert any(complaints)
