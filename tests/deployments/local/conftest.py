"""One running stack for all tests that only use it."""

from collections.abc import Iterator

import pytest

from tests.deployments.local.stack import Stack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with running(folder, PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS="2") as found:  # sees changed schedules at once
        yield found
