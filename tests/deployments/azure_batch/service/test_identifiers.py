"""Ids that are the same for the same work, and fit the service's rules."""

from uuid import UUID, uuid4

import pytest

from batch_launcher.attempts import parse_task_id
from prefect_azure_batch.service.identifiers import (
    Infrastructure,
    generation_of,
    job_prefix,
    own_job_of,
    shared_job_id,
    task_id,
)

RUN = UUID("6a5c7f0e-3f55-4f0d-9c39-0f5f2d0f3b11")


def test_the_place_of_a_run_is_complete_in_itself():
    infrastructure = Infrastructure("127.0.0.1:8710", "pool-1-00001", task_id(RUN, 2))
    assert str(infrastructure) == f"azurebatch://127.0.0.1:8710/pool-1-00001/{RUN}-2"
    assert Infrastructure.parse(str(infrastructure)) == infrastructure


@pytest.mark.parametrize("text", ["", "12345", "run:group", "azurebatch://host/job", "https://host/job/task"])
def test_the_identifiers_of_others_are_refused(text):
    with pytest.raises(ValueError, match="azurebatch"):
        Infrastructure.parse(text)


def test_a_task_says_whose_it_is():
    assert parse_task_id(task_id(RUN, 12)) == (RUN, 12)
    assert parse_task_id(task_id(RUN, 12).upper()) == (RUN, 12)
    assert parse_task_id("preparation") is None


def test_ids_have_at_most_64_characters_and_only_those_that_are_allowed():
    prefix = job_prefix("Ärger & Söhne / a very long name of a work pool", uuid4())
    ids = [own_job_of(prefix, task_id(RUN, 999)), shared_job_id(prefix, "p" * 64, -1000, 99999), task_id(RUN, 10**6)]
    for text in ids:
        assert len(text) <= 64
        assert set(text.lower()) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_jobs_of_other_pools_and_priorities_have_other_generations():
    prefix = job_prefix("etl", RUN)
    first = shared_job_id(prefix, "nodes", 0, 1)
    assert generation_of(shared_job_id(prefix, "NODES", 0, 7), first) == 7
    assert generation_of(shared_job_id(prefix, "nodes", 5, 7), first) is None
    assert generation_of(own_job_of(prefix, task_id(RUN, 1)), first) is None
    assert job_prefix("etl", uuid4()) != prefix
