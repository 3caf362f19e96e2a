"""A plugin, `-p tests.side_by_side`: which tests go to the same process when several run all of them (`-n`).

Those of one file, and those that share what takes minutes to make. All keep the order of their names, in which folders
with few long tests come first: at the end short ones are left for whichever process is free.
"""

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

# The image of Batch tasks, for which others would wait while one process builds it; a stack of the local production.
TOGETHER = ("tests/batch_image/test_image", "tests/deployments/local/test_")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    config.option.loadscopereorder = False
    return Scheduling(config, log)


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((begin for begin in TOGETHER if file.startswith(begin)), file)
