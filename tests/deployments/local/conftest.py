"""One running stack for all tests that only use it."""

from collections.abc import Iterator

import pytest

from tests.deployments.local.stack import Stack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("stack")) as found:
        yield found
